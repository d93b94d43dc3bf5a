/**
 * The system calls for the files of a written pack. Synchronous, with errors as
 * values for each file; a failure of one does not keep the next from its turn.
 *
 * Invariant: each may be done again from its beginning when the thread died in
 * the middle: a name that was given is recognised by its inode.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { errnoOf } from '../src/base/errors.ts';
import { entryStatsOf, type FailedCall } from '../src/base/files/entry-stats.ts';
import { fileTimeOf } from '../src/base/files/file-time.ts';
import { identityVersionOf } from '../src/base/files/file-version.ts';
import { keepRightsSync } from '../src/base/files/keep-rights.ts';
import { swapCase } from '../src/base/files/spelling.ts';
import type { FileToName, FoundEntry, MadeFile, Naming, NewFile } from '../src/engine/jobs/job.ts';

/** The calls, as a seam: tests put faults, crashes and power cuts behind it. All throw system errors. */
export interface SystemCalls {
  open(path: string, flags: number, mode: number): number;
  /** The number of bytes written, which may be fewer than given. */
  write(fd: number, bytes: Uint8Array, position: number): number;
  fstat(fd: number): BigIntStats;
  fchmod(fd: number, mode: number): void;
  fchown(fd: number, uid: number, gid: number): void;
  /** Both in seconds since the epoch. */
  futimes(fd: number, accessed: string, modified: string): void;
  close(fd: number): void;
  /** Undefined for nothing. */
  lstat(path: string): BigIntStats | undefined;
  link(from: string, to: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
}

export const nodeSystemCalls: SystemCalls = {
  open: openSync,
  write: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
  fstat: (fd) => fstatSync(fd, { bigint: true }),
  fchmod: fchmodSync,
  fchown: fchownSync,
  futimes: futimesSync,
  close: closeSync,
  lstat: (path) => lstatSync(path, { bigint: true, throwIfNoEntry: false }),
  link: linkSync,
  rename: renameSync,
  unlink: unlinkSync,
};

const NEW_FILE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Less the umask, as any new file; its directory lets nobody in before it has its name. */
const NEW_FILE_MODE = 0o666;

/** Ends the job early, in the place of a thread that dies. */
type Checkpoint = () => void;

export function lookAt(
  paths: readonly string[],
  calls: SystemCalls,
  checkpoint: Checkpoint,
): (FoundEntry | FailedCall | null)[] {
  return paths.map((path) => {
    checkpoint();
    return outcomeOf(() => {
      const stats = calls.lstat(path);
      return stats === undefined
        ? null
        : { stats: entryStatsOf(stats), hasOtherSpelling: isThereAsWell(path, stats, calls) };
    });
  });
}

/** `isRepeated`: a thread died in it before. */
export function writeFiles(
  content: Uint8Array,
  files: readonly NewFile[],
  isRepeated: boolean,
  calls: SystemCalls,
  checkpoint: Checkpoint,
): (MadeFile | FailedCall)[] {
  return files.map((file) => {
    checkpoint();
    if (isRepeated) removeQuietly(file.path, calls);
    return outcomeOf(() => writeFile(content.subarray(file.start, file.end), file, calls));
  });
}

export function nameFiles(
  files: readonly FileToName[],
  calls: SystemCalls,
  checkpoint: Checkpoint,
): (Naming | FailedCall)[] {
  return files.map((file) => {
    checkpoint();
    return outcomeOf(() => (file.isNew ? linkFile(file, calls) : renameFile(file, calls)));
  });
}

function writeFile(bytes: Uint8Array, file: NewFile, calls: SystemCalls): MadeFile {
  const fd = calls.open(file.path, NEW_FILE_FLAGS, NEW_FILE_MODE);
  let ino: bigint;
  try {
    try {
      writeAll(fd, bytes, calls);
      ino = setAttributes(fd, file, calls);
    } finally {
      calls.close(fd);
    }
  } catch (reason) {
    removeQuietly(file.path, calls);
    throw reason;
  }
  return { ino };
}

/** The inode of the file. */
function setAttributes(fd: number, { mode, modifiedMs, replaces }: NewFile, calls: SystemCalls): bigint {
  const own = calls.fstat(fd);
  const { uid, gid, mode: defaultMode } = replaces ?? own;
  keepRightsSync({ uid, gid, mode: mode ?? defaultMode }, own, {
    chmod: (bits) => calls.fchmod(fd, bits),
    chown: (user, group) => calls.fchown(fd, user, group),
  });
  if (modifiedMs !== undefined) {
    calls.futimes(fd, fileTimeOf(Date.now()), fileTimeOf(modifiedMs));
  }
  return own.ino;
}

function writeAll(fd: number, bytes: Uint8Array, calls: SystemCalls): void {
  // A write may be short: a signal, a limit, a disk that is nearly full.
  for (let done = 0; done < bytes.length; ) {
    const taken = calls.write(fd, bytes.subarray(done), done);
    if (taken === 0) throw Object.assign(new Error('write(2) took no byte'), { code: 'EIO' });
    done += taken;
  }
}

/** A link never replaces, also not what another process makes at this moment. */
function linkFile({ from, to, ino }: FileToName, calls: SystemCalls): Naming {
  try {
    calls.link(from, to);
  } catch (reason) {
    const errno = errnoOf(reason);
    // Where it is this file already, a thread has died behind the link.
    const isDone = (errno === 'EEXIST' || errno === 'ENOENT') && calls.lstat(to)?.ino === ino;
    if (!isDone && errno === 'EEXIST') return 'changed';
    if (!isDone) throw reason;
  }
  // A second name that is left behind is one that nobody can reach; the next sweep removes it.
  removeQuietly(from, calls);
  return 'named';
}

function renameFile({ from, to, ino, found }: FileToName, calls: SystemCalls): Naming {
  const now = calls.lstat(to);
  if (now?.ino === ino) return 'named';
  if ((now === undefined ? null : identityVersionOf(now)) !== found) return 'changed';
  calls.rename(from, to);
  return 'named';
}

/** The path with the case of its last component swapped leads to the same inode. */
function isThereAsWell(path: string, { dev, ino }: BigIntStats, calls: SystemCalls): boolean {
  const at = path.lastIndexOf('/') + 1;
  const entry = path.slice(at);
  const swapped = swapCase(entry);
  if (swapped === entry) return false;
  let other: BigIntStats | undefined;
  try {
    other = calls.lstat(path.slice(0, at) + swapped);
  } catch {
    // The other spelling may be no name at all.
    return false;
  }
  return other?.ino === ino && other.dev === dev;
}

function outcomeOf<T>(work: () => T): T | FailedCall {
  try {
    return work();
  } catch (reason) {
    return { errno: errnoOf(reason) ?? 'UNKNOWN' };
  }
}

function removeQuietly(path: string, calls: SystemCalls): void {
  try {
    calls.unlink(path);
  } catch {
    // It is not there, or the next sweep removes it.
  }
}
