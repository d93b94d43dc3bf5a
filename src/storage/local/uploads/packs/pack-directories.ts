/**
 * The directories that the files of a pack are in: each is walked to once, made
 * where it is missing, and held open while threads make entries in it. At most
 * one for each file, and those above the one that is walked to, are open.
 */

import { errnoOf } from '../../../../base/errors.ts';
import type { Directory } from '../../directory.ts';
import { enterDirectory, inParentOf } from '../../directory-walk.ts';
import { toWriteError } from '../disk/write-error.ts';
import type { UploadContext } from '../options.ts';
import { makeOnTheWay } from '../target.ts';

interface Step {
  readonly component: string;
  readonly directory: Directory;
}

export class PackDirectories {
  readonly #context: UploadContext;
  /** By name; what failed has its reason. */
  readonly #open = new Map<string, Directory>();
  readonly #faults = new Map<string, unknown>();
  /** The components of every one that was walked through. */
  readonly #above = new Map<string, readonly string[]>();

  constructor(context: UploadContext) {
    this.#context = context;
  }

  /** How many directories got entries, or may have. */
  get count(): number {
    return this.#above.size + 1;
  }

  /** Walks to each of `directories`, and makes what is missing. Never rejects: `at` throws. */
  async open(directories: Iterable<readonly string[]>): Promise<void> {
    // In an order that walks through each directory once. No component has a NUL.
    const ordered = new Map(Array.from(directories, (components) => [components.join('\0'), components]));
    const path: Step[] = [];
    for (const [, components] of [...ordered].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const name = components.join('/');
      try {
        this.#open.set(name, await this.#walk(components, path));
      } catch (reason) {
        this.#faults.set(name, reason);
      }
    }
    await this.#leave(path, 0);
  }

  /** The open directory `name`; '' is the root. Throws why it cannot be had. */
  at(name: string): Directory {
    const directory = this.#open.get(name);
    if (directory !== undefined) return directory;
    throw this.#faults.get(name);
  }

  /** Makes all entries in them, and they themselves, durable. */
  async sync(): Promise<void> {
    const { durability } = this.#context;
    const isOpen = (name: string) => this.#open.has(name);
    const others = [[], ...this.#above.values()].filter((components) => !isOpen(components.join('/')));
    await Promise.all([
      ...Array.from(this.#open.values(), (directory) => durability.directory(directory)),
      ...others.map((components) => this.#syncAbove(components)),
    ]);
  }

  async #syncAbove(components: readonly string[]): Promise<void> {
    const { durability, root } = this.#context;
    try {
      await inParentOf(root.directory, [...components, '.'], (directory) => durability.directory(directory));
    } catch (reason) {
      // It was removed since, and with it all that could be lost.
      const errno = errnoOf(reason) ?? errnoOf((reason as Error).cause);
      if (errno !== 'ENOENT') throw reason;
    }
  }

  async close(): Promise<void> {
    for (const directory of this.#open.values())
      if (directory !== this.#context.root.directory) await directory.close();
    this.#open.clear();
  }

  /** `path` has what is open of an earlier walk, and then of this one. */
  async #walk(components: readonly string[], path: Step[]): Promise<Directory> {
    const { fs, root } = this.#context;
    const common = path.findIndex(({ component }, at) => component !== components[at]);
    if (common >= 0) await this.#leave(path, common);
    for (const [at, component] of components.entries()) {
      if (at < path.length) continue;
      const above = path.at(-1)?.directory ?? root.directory;
      const way = components.slice(0, at + 1);
      await makeOnTheWay(this.#context, above, component);
      path.push({ component, directory: await enterDirectory(above, component, way.join('/')) });
      this.#above.set(way.join('/'), way);
    }
    const directory = path.at(-1)?.directory ?? root.directory;
    const { dev } = await fs.lstat(directory.pathOf('.'));
    if (dev !== root.device) throw toWriteError({ code: 'EXDEV' }, components.join('/'));
    return directory;
  }

  /** Closes what is behind the first `depth` steps, but what is held for files. */
  async #leave(path: Step[], depth: number): Promise<void> {
    const held = new Set(this.#open.values());
    for (const { directory } of path.splice(depth)) if (!held.has(directory)) await directory.close();
  }
}
