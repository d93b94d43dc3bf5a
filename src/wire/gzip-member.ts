/**
 * Inflates exactly one gzip member (RFC 1952) of exactly the declared size, with
 * a correct CRC-32. `zlib.gunzip` would silently take several members or trailing
 * bytes.
 *
 *   | 1f 8b 08 | flags | mtime ×4 | xfl | os | optional fields | deflate … | crc32 le | size le |
 */
import { Buffer } from 'node:buffer';
import { inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib';
import { TransferError } from '../base/errors.ts';

const FIXED_HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
const FLAG_HEADER_CRC = 2;
const FLAG_EXTRA = 4;
const FLAG_NAME = 8;
const FLAG_COMMENT = 16;
const RESERVED_FLAGS = 0xe0;
/** zlib's lower bound of `chunkSize`. */
const MIN_OUTPUT_BYTES = 64;

/** The size and CRC-32 that a member's trailer declares for its content. Throws PROTOCOL_ERROR when it has none. */
export function trailerOf(member: Uint8Array): { rawBytes: number; crc32: number } {
  if (member.byteLength < FIXED_HEADER_BYTES + TRAILER_BYTES) throw malformed('it is too short');
  const view = new DataView(
    member.buffer,
    member.byteOffset + member.byteLength - TRAILER_BYTES,
    TRAILER_BYTES,
  );
  return { crc32: view.getUint32(0, true), rawBytes: view.getUint32(4, true) };
}

/**
 * The content of `member`, in memory of its own. The caller has checked
 * `rawBytes`, the size to expect, against its limits, and checks the CRC-32.
 * `done` is called once; with a PROTOCOL_ERROR for anything but one whole member of that size.
 */
export function inflateMember(
  member: Uint8Array,
  rawBytes: number,
  done: (error: TransferError | undefined, content: Uint8Array) => void,
): void {
  const deflated = deflatedPart(member);
  inflateRaw(deflated, optionsFor(rawBytes), (failure, result) => {
    if (failure !== null) return done(malformed(failure.message), NOTHING);
    try {
      done(undefined, checkedContent(result, deflated, rawBytes));
    } catch (error) {
      done(error as TransferError, NOTHING);
    }
  });
}

/** As `inflateMember`, in a thread that may block. Throws PROTOCOL_ERROR. */
export function inflateMemberSync(member: Uint8Array, rawBytes: number): Uint8Array {
  const deflated = deflatedPart(member);
  let result: unknown;
  try {
    result = inflateRawSync(deflated, optionsFor(rawBytes));
  } catch (failure) {
    throw malformed((failure as Error).message);
  }
  return checkedContent(result, deflated, rawBytes);
}

function deflatedPart(member: Uint8Array): Uint8Array {
  return member.subarray(headerBytes(member), member.byteLength - TRAILER_BYTES);
}

function optionsFor(rawBytes: number): ZlibOptions {
  // One byte more than the content: with an exactly full output, zlib would allocate and run a second time.
  const chunkSize = Math.max(rawBytes + 1, MIN_OUTPUT_BYTES);
  return { chunkSize, maxOutputLength: Math.max(rawBytes, 1), info: true };
}

/** With `info` the result is the output and the engine that made it; @types/node does not know. */
function checkedContent(result: unknown, deflated: Uint8Array, rawBytes: number): Uint8Array {
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  if (engine.bytesWritten !== deflated.byteLength) throw malformed('bytes follow the member');
  if (buffer.byteLength !== rawBytes) throw malformed('its size is not the declared one');
  return buffer;
}

const NOTHING = Buffer.alloc(0);

/** Where the deflate data starts. */
function headerBytes(member: Uint8Array): number {
  const flags = member[3] as number;
  if (member[0] !== 0x1f || member[1] !== 0x8b || member[2] !== 8) throw malformed('its magic is wrong');
  if ((flags & RESERVED_FLAGS) !== 0) throw malformed('it sets reserved flags');
  let end = FIXED_HEADER_BYTES;
  if ((flags & FLAG_EXTRA) !== 0) end += 2 + ((member[end] ?? 0) | ((member[end + 1] ?? 0) << 8));
  if ((flags & FLAG_NAME) !== 0) end = afterZero(member, end);
  if ((flags & FLAG_COMMENT) !== 0) end = afterZero(member, end);
  if ((flags & FLAG_HEADER_CRC) !== 0) end += 2;
  if (end + TRAILER_BYTES > member.byteLength) throw malformed('its header does not end');
  return end;
}

function afterZero(member: Uint8Array, from: number): number {
  const zero = member.indexOf(0, from);
  if (zero < 0) throw malformed('its header does not end');
  return zero + 1;
}

function malformed(problem: string): TransferError {
  return new TransferError('PROTOCOL_ERROR', `a compressed chunk is not one gzip member: ${problem}`);
}
