/**
 * The position of a listing: the path from its prefix to the last entry sent, as
 * bytes. A peer that lost a listing sends the position back to resume.
 *
 *   a/b    behind the entry b of a; what is in b comes next
 *   a/b/   behind all that is in b
 */
import { Buffer } from 'node:buffer';
import { TransferError } from '../base/errors.ts';
import { MAX_NAME_BYTES, MAX_NAME_DEPTH } from '../base/limits.ts';

/** A valid name, and one more entry that may be invalid. */
const MAX_POSITION_BYTES = MAX_NAME_BYTES + 1024;

/** The raw entries on the way (Latin-1); none for the start. Throws INVALID_ARGUMENT. */
export function parsePosition(position: Uint8Array): readonly string[] {
  if (position.length === 0) return [];
  const entries = Buffer.from(position.buffer, position.byteOffset, position.length)
    .toString('latin1')
    .split('/');
  const isGood =
    position.length <= MAX_POSITION_BYTES &&
    entries.length <= MAX_NAME_DEPTH + 2 &&
    entries.every((entry, index) => isEntry(entry) || (entry === '' && index === entries.length - 1));
  if (isGood) return entries;
  throw new TransferError(
    'INVALID_ARGUMENT',
    'after is not a position of a listing; send one from an earlier response, or leave it empty',
  );
}

function isEntry(entry: string): boolean {
  return entry !== '' && entry !== '.' && entry !== '..' && !entry.includes('\0');
}

export function writePosition(position: string): Uint8Array {
  return Buffer.from(position, 'latin1');
}
