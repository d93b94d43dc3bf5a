import { TransferError } from '../base/errors.ts';
import { safeInteger } from '../wire/safe-integer.ts';

/** A size in bytes that the server tells about `name`. Throws PROTOCOL_ERROR for one that no file can have. */
export function receivedSize(size: number, name: string): number {
  try {
    return safeInteger(size, `the size of ${name}`);
  } catch (cause) {
    throw new TransferError('PROTOCOL_ERROR', `the server says ${name} has ${size} bytes`, { cause });
  }
}
