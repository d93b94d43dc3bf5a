/** Validates the server's answer about a file: a hostile server must neither mislead the client nor fill its memory. */
import { TransferError } from '../base/errors.ts';
import { MAX_NAME_BYTES } from '../base/limits.ts';
import { safeInteger } from '../wire/safe-integer.ts';

/** Versions are etags: digests and times. */
const MAX_VERSION_CHARS = 1024;

/** A size in bytes that the server tells about `name`. Throws PROTOCOL_ERROR for one that no file can have. */
export function receivedSize(size: number, name: string): number {
  try {
    return safeInteger(size, `the size of ${name}`);
  } catch (cause) {
    throw new TransferError('PROTOCOL_ERROR', `the server says ${name} has ${size} bytes`, { cause });
  }
}

/** Throws PROTOCOL_ERROR for a file that cannot be, or whose name or version is longer than any. */
export function checkReceivedFile({
  digest = '',
  name,
  size,
  version,
}: {
  digest?: string;
  name: string;
  size: number;
  version: string;
}): void {
  checkLength('a digest', digest, MAX_VERSION_CHARS);
  checkLength('a name', name, MAX_NAME_BYTES);
  checkLength('a version', version, MAX_VERSION_CHARS);
  receivedSize(size, name);
}

/** Throws PROTOCOL_ERROR for a text longer than `most` characters. */
export function checkLength(what: string, text: string, most: number): void {
  if (text.length <= most) return;
  throw new TransferError(
    'PROTOCOL_ERROR',
    `the server sent ${what} of ${text.length} characters; ${most} are the most`,
  );
}
