/**
 * A directory for small files that are being written, within the tree that they
 * go to: each is written there whole and then renamed, so that a crash leaves
 * whole files in the tree, and the rest here, where the next run finds it.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { swapCase } from '../../base/files/spelling.ts';
import { localError } from '../local-error.ts';

/** In front of the host and process that a staging directory belongs to. */
const PREFIX = '.sluice-staging-';

/** What a host or process that cannot be asked has left is old by then. */
const OLD_MS = 24 * 3600 * 1000;

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const FILE_MODE = 0o666;

/** A transfer of its own makes directories, copes with mounts, and says what is in the way. */
const TAKES_MORE: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EXDEV',
  'EEXIST',
  'EISDIR',
]);

export interface StagedFile {
  readonly path: string;
  readonly modifiedMs: number;
  readonly mode?: number | undefined;
}

/** Whether an entry of a tree is a staging directory, which is no part of the tree. */
export function isStagingName(entry: string): boolean {
  return entry.startsWith(PREFIX);
}

export class Staging {
  readonly #directory: string;
  #count = 0;

  /** Makes the directory in `tree`, which is made as well if it is missing, and removes those that ended processes left. Throws system errors. */
  constructor(tree: string, id: string) {
    mkdirSync(tree, { recursive: true });
    sweep(tree);
    this.#directory = join(tree, `${PREFIX}${hostname()}-${process.pid}-${id}`);
    mkdirSync(this.#directory, { mode: 0o700 });
  }

  /**
   * Writes a file whole, and gives it its name. False where that takes more than a rename: something else than a
   * regular file has the name, its directory is missing or on another file system.
   *
   * @throws TransferError ALREADY_EXISTS, LOCAL_IO
   */
  write(file: StagedFile, content: Uint8Array, overwrite: boolean): boolean {
    this.#count += 1;
    const staged = join(this.#directory, String(this.#count));
    let isPublished = false;
    try {
      writeNew(staged, file, content);
      isPublished = publish(staged, file.path, overwrite);
    } catch (cause) {
      if (!TAKES_MORE.has(errnoOf(cause))) throw localError('cannot write', file.path, cause);
    } finally {
      if (!isPublished) rmSync(staged, { force: true });
    }
    return isPublished;
  }

  /** Removes the directory. */
  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function writeNew(path: string, { mode, modifiedMs }: StagedFile, content: Uint8Array): void {
  const fd = openSync(path, NEW_FILE, FILE_MODE);
  try {
    for (let at = 0; at < content.byteLength; ) at += writeSync(fd, content, at);
    if (mode !== undefined) fchmodSync(fd, mode & 0o777);
    futimesSync(fd, Date.now() / 1000, modifiedMs / 1000);
  } finally {
    closeSync(fd);
  }
}

function publish(staged: string, path: string, overwrite: boolean): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && (!overwrite || !found.isFile() || isUnderOtherSpelling(path, found)))
    return false;
  if (overwrite) {
    renameSync(staged, path);
  } else {
    linkSync(staged, path);
    unlinkSync(staged);
  }
  return true;
}

/** Perhaps: both spellings lead to one file. */
function isUnderOtherSpelling(path: string, { dev, ino }: Stats): boolean {
  const name = basename(path);
  const swapped = swapCase(name);
  if (swapped === name) return false;
  const other = lstatSync(join(dirname(path), swapped), { throwIfNoEntry: false });
  return other?.ino === ino && other.dev === dev;
}

function sweep(tree: string): void {
  for (const entry of readdirSync(tree)) {
    if (!isStagingName(entry) || !isLeft(join(tree, entry), entry)) continue;
    rmSync(join(tree, entry), { recursive: true, force: true });
  }
}

function isLeft(path: string, entry: string): boolean {
  const [, host, pid] = /^(.*)-(\d+)-[^-]*$/.exec(entry.slice(PREFIX.length)) ?? [];
  if (host === hostname() && !isRunning(Number(pid))) return true;
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && Date.now() - found.mtimeMs > OLD_MS;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (reason) {
    return errnoOf(reason) === 'EPERM';
  }
}
