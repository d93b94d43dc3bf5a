import { TransferError } from '../base/errors.ts';

/**
 * A 64-bit field of a message as a plain number. Throws `INVALID_ARGUMENT`,
 * naming the field, for a value below zero or above 2^53 - 1: no file is that large.
 */
export function safeInteger(value: number, field: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  const problem = value < 0 ? 'is negative' : 'is larger than any file';
  throw new TransferError('INVALID_ARGUMENT', `${field} ${problem}; it must be between 0 and 2^53 - 1`);
}
