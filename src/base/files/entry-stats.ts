/** What a look at an entry of a directory says, in few plain values, because these cross threads. */
import type { BigIntStats } from 'node:fs';
import { identityVersionOf } from './file-version.ts';

/** What lstat(2) says, as far as a store needs it. */
export interface EntryStats {
  readonly dev: bigint;
  readonly ino: bigint;
  /** With the type of the inode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
  readonly mtimeNs: bigint;
  /** The version of the inode; see `identityVersionOf`. */
  readonly identity: string;
}

/** A system call failed: the name of its error, such as ENOSPC. */
export interface FailedCall {
  readonly errno: string;
}

export function entryStatsOf(stats: BigIntStats): EntryStats {
  const { dev, gid, ino, mode, mtimeMs, mtimeNs, size, uid } = stats;
  return {
    dev,
    ino,
    mode: Number(mode),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    modifiedMs: Number(mtimeMs),
    mtimeNs,
    identity: identityVersionOf(stats),
  };
}
