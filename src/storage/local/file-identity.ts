/** What a look at an inode tells of a file's content. */
import type { BigIntStats } from 'node:fs';
import { versionOf } from '../../base/files/file-version.ts';
import type { FileIdentity } from '../store.ts';

export function identityOf(name: string, stats: BigIntStats): FileIdentity {
  return {
    name,
    size: Number(stats.size),
    version: versionOf(stats),
    modifiedMs: Number(stats.mtimeMs),
    mode: modeOf(stats),
  };
}

/** The permission bits, without the type of the inode. */
export function modeOf({ mode }: BigIntStats): number {
  return Number(mode) & 0o7777;
}

/** What happened between two looks, to stand after the file's name in a sentence; undefined for nothing. */
export function changeBetween(before: BigIntStats, now: BigIntStats): string | undefined {
  if (now.ino !== before.ino) return 'was replaced';
  if (now.size > before.size) return 'grew';
  if (now.size < before.size) return 'shrank';
  return versionOf(now) === versionOf(before) ? undefined : 'was modified';
}
