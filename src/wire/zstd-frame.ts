/**
 * Where a Zstandard frame ends (RFC 8878), found by going from block to block
 * without decompressing: decoders silently take several frames or trailing bytes,
 * and a chunk is exactly one frame.
 *
 *   | 28 b5 2f fd | descriptor | window? | dictionary ×0-4 | content size ×0-8 | blocks … | checksum ×0/4 |
 *   block: | last:1 type:2 size:21, le | size bytes, or 1 when type is RLE |
 */
import { TransferError } from '../base/errors.ts';

const MAGIC = 0xfd2fb528;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** Throws PROTOCOL_ERROR unless `bytes` are one frame from the first to the last. */
export function checkOneFrame(bytes: Uint8Array): void {
  if (frameBytes(bytes) !== bytes.byteLength) throw malformed('bytes follow the frame');
}

function frameBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 5 || view.getUint32(0, true) !== MAGIC) throw malformed('its magic is wrong');
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = (CONTENT_SIZE_BYTES[descriptor >> 6] as number) || (isSingleSegment ? 1 : 0);
  let at = 5 + (isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] as number) + sizeBytes;
  for (let isLast = false; !isLast; ) {
    if (at + BLOCK_HEADER_BYTES > bytes.byteLength) throw malformed('its blocks do not end');
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (header >> 1) & 3;
    if (type === RESERVED_BLOCK) throw malformed('it has a block of a reserved type');
    isLast = (header & 1) === 1;
    at += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : header >> 3);
  }
  return at + ((descriptor & 4) !== 0 ? CHECKSUM_BYTES : 0);
}

function malformed(problem: string): TransferError {
  return new TransferError('PROTOCOL_ERROR', `a compressed chunk is not one zstd frame: ${problem}`);
}
