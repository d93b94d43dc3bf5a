/**
 * What stands in front of a chunk on the wire: the gRPC message frame and the
 * protobuf fields of StreamFileResponse or UploadFileRequest, written by hand so
 * that a chunk can be read straight into its place, in a slab for instance.
 *
 *   0          1             5                                                h        h + n
 *   | 00       | length u32be| 10 01 | 18 v | 20 v | 2d c32 | 40 c  | 0a v     | chunk  |
 *   | identity | of message  | compr.| off. | raw  | crc    | codec | size tag | n bytes|
 *
 * The chunk comes last, so the header's size is known before the chunk is
 * there. Absent fields take no bytes. The codec of an UploadFileRequest has
 * another number: 50 c. In an ExchangeResponse all fields are within `data`:
 * 08 id, 12 size of the rest. `test/wire` decodes each with protobufjs.
 */

export interface ChunkFields {
  /** Bytes of the chunk as sent. */
  wireBytes: number;
  /** Bytes of the chunk before compression, or -1 to leave them out. */
  rawBytes: number;
  compressed: boolean;
  /** The chunk's place in the file, or -1 to leave out `offset` and `raw_size`. */
  offset: number;
  /** CRC-32 of the raw chunk, or -1 to leave it out. */
  crc32: number;
  /** Number of the Codec of a compressed chunk; 0 to leave it out, which means gzip. */
  codec: number;
  /** Of the ExchangeResponse around the message; 0 or absent for a message by itself. */
  exchangeId?: number;
}

/** Tags of the codec, the one field that the two messages number differently. */
const DOWNLOAD_CODEC_TAG = 0x40;
export const UPLOAD_CODEC_TAG = 0x50;

/** In front of each gRPC message: whether it is compressed as a whole, and its length. */
export const FRAME_HEADER_BYTES = 5;

/** Bytes before the chunk for these fields. */
export function chunkHeaderBytes(fields: ChunkFields): number {
  const inner = fieldBytes(fields);
  return FRAME_HEADER_BYTES + inner + wrapperBytes(fields, inner + fields.wireBytes);
}

/** Of the fields around a message of `bytes`. */
function wrapperBytes({ exchangeId = 0 }: ChunkFields, bytes: number): number {
  return exchangeId === 0 ? 0 : 2 + varintBytes(exchangeId) + varintBytes(bytes);
}

function fieldBytes(fields: ChunkFields): number {
  let bytes = 1 + varintBytes(fields.wireBytes);
  if (fields.compressed) bytes += 2;
  if (fields.offset >= 0) {
    bytes += 1 + varintBytes(fields.offset);
    if (fields.rawBytes >= 0) bytes += 1 + varintBytes(fields.rawBytes);
  }
  if (fields.crc32 >= 0) bytes += 5;
  if (fields.codec > 0) bytes += 2;
  return bytes;
}

/** Writes the header at `at`; returns where the chunk starts. */
export function writeChunkHeader(
  target: Uint8Array,
  at: number,
  fields: ChunkFields,
  codecTag = DOWNLOAD_CODEC_TAG,
): number {
  const innerBytes = fieldBytes(fields) + fields.wireBytes;
  const messageBytes = innerBytes + wrapperBytes(fields, innerBytes);
  let end = at;
  target[end++] = 0;
  target[end++] = messageBytes >>> 24;
  target[end++] = messageBytes >>> 16;
  target[end++] = messageBytes >>> 8;
  target[end++] = messageBytes;
  const { exchangeId = 0 } = fields;
  if (exchangeId > 0) {
    target[end++] = 0x08;
    end = writeVarint(target, end, exchangeId);
    target[end++] = 0x12;
    end = writeVarint(target, end, innerBytes);
  }
  if (fields.compressed) {
    target[end++] = 0x10;
    target[end++] = 1;
  }
  if (fields.offset >= 0) {
    target[end++] = 0x18;
    end = writeVarint(target, end, fields.offset);
    if (fields.rawBytes >= 0) {
      target[end++] = 0x20;
      end = writeVarint(target, end, fields.rawBytes);
    }
  }
  if (fields.crc32 >= 0) {
    target[end++] = 0x2d;
    target[end++] = fields.crc32;
    target[end++] = fields.crc32 >>> 8;
    target[end++] = fields.crc32 >>> 16;
    target[end++] = fields.crc32 >>> 24;
  }
  if (fields.codec > 0) {
    target[end++] = codecTag;
    target[end++] = fields.codec;
  }
  target[end++] = 0x0a;
  return writeVarint(target, end, fields.wireBytes);
}

/** Bytes of the message frame that starts at `at`, with its 5-byte header. */
export function framedMessageBytes(run: Uint8Array, at: number): number {
  const view = new DataView(run.buffer, run.byteOffset + at, FRAME_HEADER_BYTES);
  return FRAME_HEADER_BYTES + view.getUint32(1);
}

/** Bytes of `value` as a protobuf varint. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Writes `value` as a protobuf varint at `at`; returns where it ends. */
function writeVarint(target: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  while (rest >= 0x80) {
    target[end++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[end++] = rest;
  return end;
}
