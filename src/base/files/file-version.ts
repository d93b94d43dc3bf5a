/**
 * What tells whether a file's content is the same as at an earlier look, taken
 * from its inode. A version says by its first character what it is: `m`, size and
 * time of change, which a copy may share; or a hexadecimal digit, the identity of
 * one inode.
 *
 * A program cannot set the change time of the inode, so any write shows in the
 * identity; so do a rename, a link and a chmod, which leave the content alone: a
 * transfer then starts over for nothing, but never splices two contents.
 */
import { hash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';

/** Hexadecimal digits in an identity: 128 bits, so that two contents never share one by chance. */
const IDENTITY_DIGITS = 32;

const BY_TIME = 'm';

/** What of an inode its versions are made of. */
type VersionedStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>;

/**
 * Equal for two looks at the same inode with nothing changed in between. The number
 * of the device is no part of it: a volume gets another one when it is attached again.
 */
export function identityVersionOf({ ctimeNs, ino, mtimeNs, size }: VersionedStats): string {
  return hash('sha256', `${ino}:${size}:${mtimeNs}:${ctimeNs}`).slice(0, IDENTITY_DIGITS);
}

/** Equal for files of the same size and time of change, wherever they are. */
export function timeVersionOf({
  mtimeNs,
  size,
}: {
  readonly size: bigint | number;
  readonly mtimeNs: bigint;
}): string {
  return `${BY_TIME}${size}-${mtimeNs}`;
}

/** Whether a file of these stats has the version, in either form. */
export function hasVersion(stats: VersionedStats, version: string): boolean {
  return version === (version.startsWith(BY_TIME) ? timeVersionOf(stats) : identityVersionOf(stats));
}
