/**
 * Identifies a file's content at one moment by its inode. Programs cannot set the
 * change time, so every write changes the version. So do a rename, a link and a
 * chmod, which leave the content alone: a transfer then starts over for nothing,
 * but never splices two contents.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { FileIdentity } from '../store.ts';

/** Hexadecimal digits in a version: 128 bits, so that two contents never share one by chance. */
const VERSION_DIGITS = 32;

export function identityOf(name: string, stats: BigIntStats): FileIdentity {
  return {
    name,
    size: Number(stats.size),
    version: versionOf(stats),
    modifiedMs: Number(stats.mtimeMs),
  };
}

/**
 * Equal for two looks at the same inode with nothing changed in between. The number
 * of the device is no part of it: a volume gets another one when it is attached again.
 */
export function versionOf(stats: BigIntStats): string {
  return createHash('sha256')
    .update(`${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`)
    .digest('hex')
    .slice(0, VERSION_DIGITS);
}

/** What happened between two looks, to stand after the file's name in a sentence; undefined for nothing. */
export function changeBetween(before: BigIntStats, now: BigIntStats): string | undefined {
  if (now.ino !== before.ino) return 'was replaced';
  if (now.size > before.size) return 'grew';
  if (now.size < before.size) return 'shrank';
  return versionOf(now) === versionOf(before) ? undefined : 'was modified';
}
