/** Whether the bytes of an upload are what was declared, at its start or at its end. */
import { TransferError } from '../base/errors.ts';
import type { CheckedRanges } from '../wire/checked-ranges.ts';
import { quoteName } from './quoted-name.ts';
import type { ExpectedContent } from './upload-store.ts';

/** What an upload was started with, as stores keep it. */
interface StartedWith {
  readonly name: string;
  /** The SHA-256 in hexadecimal. */
  readonly expected: { readonly size?: number; readonly crc32?: number; readonly sha256?: string };
}

/** All of it, as it was declared; the two must agree. */
export interface Declared {
  readonly size: number | undefined;
  readonly crc32: number | undefined;
  /** Hexadecimal. */
  readonly sha256: string | undefined;
}

/** @throws TransferError CONTENT_MISMATCH when start and end declared different things. */
export function declaredContent(spec: StartedWith, expected: ExpectedContent): Declared {
  const { name } = spec;
  const sha256 = expected.sha256 === undefined ? undefined : Buffer.from(expected.sha256).toString('hex');
  return {
    size: agreed(name, 'size', spec.expected.size, expected.size),
    crc32: agreed(name, 'CRC-32', spec.expected.crc32, expected.crc32),
    sha256: agreed(name, 'SHA-256', spec.expected.sha256, sha256),
  };
}

/**
 * The size of the file whose bytes are exactly `committed`. Where nobody declared
 * one, it is what there is; unless `mayLackBytes` says that the client may have
 * sent more than we still have.
 *
 * @throws TransferError CONTENT_MISMATCH when bytes are missing, or length or CRC-32 are others than declared.
 */
export function checkCommitted(
  name: string,
  declared: Declared,
  committed: CheckedRanges,
  mayLackBytes: boolean,
): number {
  if (declared.size === undefined && mayLackBytes) {
    throw mismatch(name, 'lost bytes before they were durable, or may have; finish it with its size');
  }
  const size = declared.size ?? committed.end;
  const crc32 = committed.crc32Of(size);
  if (crc32 === undefined) throw lengthMismatch(name, size, committed);
  if (declared.crc32 !== undefined && declared.crc32 !== crc32) {
    throw mismatch(name, `has the CRC-32 ${hex(crc32)}, not ${hex(declared.crc32)} as declared; start over`);
  }
  return size;
}

/** @throws TransferError CONTENT_MISMATCH */
export function checkSha256(name: string, declared: string, found: Uint8Array): void {
  const hash = Buffer.from(found).toString('hex');
  if (hash !== declared)
    throw mismatch(name, `has the SHA-256 ${hash}, not ${declared} as declared; start over`);
}

function agreed<T>(name: string, what: string, atStart: T | undefined, atEnd: T | undefined): T | undefined {
  if (atStart !== undefined && atEnd !== undefined && atStart !== atEnd) {
    throw mismatch(name, `was declared with one ${what} at its start and another at its end; start over`);
  }
  return atEnd ?? atStart;
}

function lengthMismatch(name: string, size: number, committed: CheckedRanges): TransferError {
  if (committed.end > size) {
    return mismatch(name, `has ${committed.end} bytes, more than the declared ${size}; start over`);
  }
  const missing = committed.endAt(0);
  return mismatch(name, `lacks bytes from ${missing} on; it should have ${size}; send what is missing`);
}

function mismatch(name: string, what: string): TransferError {
  return new TransferError('CONTENT_MISMATCH', `${quoteName(name)} ${what}`);
}

function hex(crc32: number): string {
  return crc32.toString(16).padStart(8, '0');
}
