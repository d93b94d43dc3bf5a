/**
 * The directories of a tree that is fetched: each made when the listing comes to
 * it, and given a mode that keeps its owner out only when all that is in it is
 * done. What is there already keeps its mode. Holds the directories on the way
 * to what is listed now, and those with files that are not done yet.
 */
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { dirname, normalize } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { localError } from '../../local-error.ts';
import { prepareBelow, prepareDirectory, prepareTop } from './local-path.ts';

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
  /** It was made for what comes, so nothing was in it. */
  readonly isNew: boolean;
  /** What it gets at its end; undefined where it has its mode. */
  readonly lastMode: number | undefined;
  /** Files and directories in it that are not done, and the listing, while it is in it. */
  users: number;
}

/**
 * To be called when a file is done, or will never be. Resolves when the directories that this was the last of have
 * their mode, and rejects when they cannot get it; undefined where there is none to wait for.
 */
export type Release = () => Promise<void> | undefined;

/** What is known of the directory that a file goes to. */
export interface Place {
  /** It is there and leads nowhere else; 'made': nothing was in it. Undefined: the listing did not come to it. */
  readonly parent: 'found' | 'made' | undefined;
  readonly release: Release;
}

export class LocalDirectories {
  /** Nothing is made outside of it. */
  readonly #top: string;
  /** Without a link in it; undefined until the first directory is made. */
  #realTop: string | undefined;
  #level: Level | undefined;

  constructor(top: string) {
    this.#top = top;
  }

  /** The listing has come to the directory `name`, which goes to `path`. Throws LOCAL_IO. */
  async enter(name: string, path: string, mode: number | undefined): Promise<void> {
    await this.#leaveTo(name);
    const parent = this.#level;
    const made = await this.#make(path, mode === undefined ? undefined : mode & PERMISSION_BITS);
    if (parent !== undefined) parent.users += 1;
    this.#level = { parent, name, path, ...made, users: 1 };
  }

  /** The listing has come to the file `name`: its directories wait for it. */
  async hold(name: string): Promise<Place> {
    await this.#leaveTo(name);
    const level = this.#level;
    if (level === undefined) return { parent: undefined, release: () => undefined };
    level.users += 1;
    const isParent = name.lastIndexOf('/') === level.name.length;
    return {
      parent: isParent ? (level.isNew ? 'made' : 'found') : undefined,
      release: () => release(level),
    };
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

  async #make(path: string, mode: number | undefined): Promise<Pick<Level, 'isNew' | 'lastMode'>> {
    const whileFilled = mode === undefined ? undefined : mode | OWNER_WRITES;
    const isNew = await this.#prepare(path, whileFilled);
    try {
      const stats = await lstat(path);
      // A link to a directory that lies below the top as well is left alone.
      if (!stats.isDirectory()) return { isNew, lastMode: undefined };
      const bits = stats.mode & PERMISSION_BITS;
      const isLeftOver = bits === whileFilled;
      const last = isNew || isLeftOver ? mode : bits;
      const now = isNew ? whileFilled : bits | OWNER_WRITES;
      if (now !== undefined && now !== bits) await setMode(path, now);
      const isDone = last === undefined || (last & OWNER_WRITES) === OWNER_WRITES;
      return { isNew, lastMode: isDone ? undefined : last };
    } catch (cause) {
      throw localError('cannot make', path, cause);
    }
  }

  /** A listing comes to each directory behind the one that it is in, which is prepared. */
  async #prepare(path: string, mode: number | undefined): Promise<boolean> {
    const isBelow = dirname(path) === (this.#level?.path ?? normalize(this.#top));
    if (!isBelow) return await prepareDirectory(this.#top, path, mode);
    this.#realTop ??= await prepareTop(this.#top);
    return await prepareBelow(this.#realTop, path, mode);
  }
}

function release(level: Level): Promise<void> | undefined {
  level.users -= 1;
  return level.users > 0 ? undefined : finish(level);
}

async function finish({ lastMode, parent, path }: Level): Promise<void> {
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
