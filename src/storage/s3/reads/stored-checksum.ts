/**
 * The CRC-32 that a store keeps of an object: of the whole, or, of one that was
 * uploaded in parts, the CRC-32 of the CRC-32s of its parts.
 */
import { combineCrc32, crc32 } from '../../../wire/crc32.ts';

export interface StoredChecksum {
  readonly crc32: number;
  /** Parts whose checksums it is of; 0: it is of the bytes. */
  readonly parts: number;
}

/** As answers of the store have it. */
interface ChecksumAnswer {
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumType?: string | undefined;
}

export interface StoredPart {
  readonly bytes: number;
  readonly crc32: number;
}

/** Four bytes, big-endian, in base64; the number of parts behind it. */
const CHECKSUM = /^([A-Za-z0-9+/]{6}==)(?:-(\d+))?$/;

/** Undefined where the answer has none that can be read. */
export function storedChecksumOf({
  ChecksumCRC32 = '',
  ChecksumType,
}: ChecksumAnswer): StoredChecksum | undefined {
  const [, text, parts] = CHECKSUM.exec(ChecksumCRC32) ?? [];
  if (text === undefined || (parts === undefined && ChecksumType === 'COMPOSITE')) return undefined;
  return { crc32: Buffer.from(text, 'base64').readUInt32BE(), parts: Number(parts ?? 0) };
}

/** As requests have it. */
export function checksumText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}

/** The CRC-32 of the whole; undefined where `parts` are not those of `checksum`. */
export function wholeCrc32(
  checksum: StoredChecksum,
  size: number,
  parts: readonly StoredPart[],
): number | undefined {
  let ofParts = 0;
  let whole = 0;
  let bytes = 0;
  for (const part of parts) {
    ofParts = crc32(Buffer.from(checksumText(part.crc32), 'base64'), ofParts);
    whole = combineCrc32(whole, part.crc32, part.bytes);
    bytes += part.bytes;
  }
  const isAsKept = parts.length === checksum.parts && ofParts === checksum.crc32 && bytes === size;
  return isAsKept ? whole : undefined;
}
