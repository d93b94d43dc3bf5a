/**
 * The directories of a tree that is fetched: each made when the listing comes to
 * it, and given a mode that keeps its owner out only when all that is in it is
 * done. What is there already keeps its mode. Holds the directories on the way
 * to what is listed now, and those with files that are not done yet.
 */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { errnoOf } from '../../../base/errors.ts';
import { localError } from '../../local-error.ts';
import { prepareDirectory } from './local-path.ts';

const PERMISSION_BITS = 0o777;

/** What it takes to make something in a directory. */
const OWNER_WRITES = 0o700;

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** A directory that is being filled. */
interface Level {
  readonly parent: Level | undefined;
  /** On the server. */
  readonly name: string;
  readonly path: string;
  /** What it gets at its end; undefined where it has its mode. */
  readonly lastMode: number | undefined;
  /** Files and directories in it that are not done, and the listing, while it is in it. */
  users: number;
}

/** To be called when a file is done, or will never be. Rejects when a directory cannot get its mode. */
export type Release = () => Promise<void>;

export class LocalDirectories {
  /** Nothing is made outside of it. */
  readonly #top: string;
  #level: Level | undefined;

  constructor(top: string) {
    this.#top = top;
  }

  /** The listing has come to the directory `name`, which goes to `path`. Throws LOCAL_IO. */
  async enter(name: string, path: string, mode: number | undefined): Promise<void> {
    await this.#leaveTo(name);
    const parent = this.#level;
    const lastMode = await this.#make(path, mode === undefined ? undefined : mode & PERMISSION_BITS);
    if (parent !== undefined) parent.users += 1;
    this.#level = { parent, name, path, lastMode, users: 1 };
  }

  /** The listing has come to the file `name`: its directories wait for it. */
  async hold(name: string): Promise<Release> {
    await this.#leaveTo(name);
    const level = this.#level;
    if (level === undefined) return async () => {};
    level.users += 1;
    return async () => await release(level);
  }

  /** The listing is at its end. */
  async end(): Promise<void> {
    while (this.#level !== undefined) await this.#leave(this.#level);
  }

  async #leaveTo(name: string): Promise<void> {
    while (this.#level !== undefined && !name.startsWith(`${this.#level.name}/`))
      await this.#leave(this.#level);
  }

  async #leave(level: Level): Promise<void> {
    this.#level = level.parent;
    await release(level);
  }

  /** Returns the mode that it gets at its end. */
  async #make(path: string, mode: number | undefined): Promise<number | undefined> {
    const whileFilled = mode === undefined ? undefined : mode | OWNER_WRITES;
    const isNew = await prepareDirectory(this.#top, path, whileFilled);
    try {
      const stats = await lstat(path);
      // A link to a directory that lies below the top as well is left alone.
      if (!stats.isDirectory()) return undefined;
      const bits = stats.mode & PERMISSION_BITS;
      const isLeftOver = bits === whileFilled;
      const last = isNew || isLeftOver ? mode : bits;
      const now = isNew ? whileFilled : bits | OWNER_WRITES;
      if (now !== undefined && now !== bits) await setMode(path, now);
      return last === undefined || (last & OWNER_WRITES) === OWNER_WRITES ? undefined : last;
    } catch (cause) {
      throw localError('cannot make', path, cause);
    }
  }
}

async function release(level: Level): Promise<void> {
  level.users -= 1;
  if (level.users > 0) return;
  const { lastMode, parent, path } = level;
  try {
    if (lastMode !== undefined) await setMode(path, lastMode);
  } finally {
    if (parent !== undefined) await release(parent);
  }
}

/** What a directory of somebody else says, and a file system without modes. */
const NOT_POSSIBLE: ReadonlySet<string | undefined> = new Set(['EPERM', 'EACCES', 'ENOTSUP']);

/** Where that is possible; not through a link. A set-group-id bit stays. */
async function setMode(path: string, mode: number): Promise<void> {
  try {
    await chmod(path, mode);
  } catch (reason) {
    if (!NOT_POSSIBLE.has(errnoOf(reason))) throw localError('cannot set the mode of', path, reason);
  }
}

async function chmod(path: string, mode: number): Promise<void> {
  const handle = await open(path, OPEN_FLAGS);
  try {
    const own = (await handle.stat()).mode & 0o7777;
    await handle.chmod((own & ~PERMISSION_BITS) | mode);
  } finally {
    await handle.close();
  }
}
