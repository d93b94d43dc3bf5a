/**
 * What tells whether a file's content is the same as at an earlier look, taken
 * from its inode. The change time cannot be set by a program, so any write shows
 * in the version; so do a rename, a link and a chmod, which leave the content
 * alone: a transfer then starts over for nothing, but never splices two contents.
 */
import { hash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';

/** Hexadecimal digits in a version: 128 bits, so that two contents never share one by chance. */
const VERSION_DIGITS = 32;

/**
 * Equal for two looks at the same inode with nothing changed in between. The number
 * of the device is no part of it: a volume gets another one when it is attached again.
 */
export function versionOf({
  ctimeNs,
  ino,
  mtimeNs,
  size,
}: Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>): string {
  return hash('sha256', `${ino}:${size}:${mtimeNs}:${ctimeNs}`).slice(0, VERSION_DIGITS);
}
