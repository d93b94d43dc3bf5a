/** What a look at an inode tells of a file. */
import type { BigIntStats } from 'node:fs';
import { identityVersionOf } from '../../base/files/file-version.ts';

/** The permission bits, without the type of the inode. */
export function modeOf({ mode }: { readonly mode: bigint | number }): number {
  return Number(mode) & 0o7777;
}

/** What happened between two looks, to stand after the file's name in a sentence; undefined for nothing. */
export function changeBetween(before: BigIntStats, now: BigIntStats): string | undefined {
  if (now.ino !== before.ino) return 'was replaced';
  if (now.size > before.size) return 'grew';
  if (now.size < before.size) return 'shrank';
  return identityVersionOf(now) === identityVersionOf(before) ? undefined : 'was modified';
}
