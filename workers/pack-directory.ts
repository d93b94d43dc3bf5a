/**
 * The directory of a pack that a job is in. As in `storage/local/directory-walk.ts`,
 * one component at a time and through no symbolic link, so that no name leads out
 * of the root; here with calls that wait, and a directory that cannot be entered
 * is simply none: who wants to know why asks for the file by itself.
 */
import { closeSync, openSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { OPEN_DIRECTORY_FLAGS } from '../src/base/files/open-flags.ts';
import type { PackSlice } from '../src/engine/jobs/job.ts';

export class PackDirectory {
  readonly #root: PackSlice['root'];
  #name = '';
  #path: string | undefined;
  #fd: number | undefined;

  constructor(root: PackSlice['root']) {
    this.#root = root;
    this.#path = root.path;
  }

  /** A path for `name`, good until the next call; undefined where its directory cannot be entered. */
  pathOf(name: string): string | undefined {
    const end = name.lastIndexOf('/');
    const directory = end < 0 ? '' : name.slice(0, end);
    // Those of one directory stand side by side in most packs.
    if (directory !== this.#name) this.#enter(directory);
    return this.#path === undefined ? undefined : `${this.#path}/${name.slice(end + 1)}`;
  }

  /** Closes once; safe to call twice. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #enter(name: string): void {
    this.close();
    this.#name = name;
    this.#path = this.#root.path;
    if (name === '') return;
    try {
      if (this.#root.kind === 'descriptor') this.#walk(name);
      else this.#look(name);
    } catch {
      this.close();
      this.#path = undefined;
    }
  }

  #walk(name: string): void {
    for (const component of name.split('/')) {
      const fd = openSync(`${this.#path}/${component}`, OPEN_DIRECTORY_FLAGS);
      this.close();
      this.#fd = fd;
      this.#path = `/proc/self/fd/${fd}`;
    }
  }

  /** Where directories are known by their paths: as in `storage/local/path-directory.ts`, a change meanwhile can outrun this. */
  #look(name: string): void {
    const path = join(this.#root.path, name);
    this.#path = realpathSync(path) === path ? path : undefined;
  }
}
