/**
 * The UploadFileRequest of a chunk in its gRPC frame, written by hand in front
 * of bytes that are already in place, so that a chunk read from a file is not
 * copied into its message:
 *
 *   0              h − header                                                       h        h + n
 *   | unused room  | 0 | length u32be | 10 01 | 18 v | 20 v | 2d c32 | 50 c  | 0a v | chunk  |
 *   |              | gRPC frame       | compr.| off. | raw  | crc    | codec | size | n bytes|
 *
 * The fields are in any order on the wire; the chunk comes last. The messages
 * that open and finish a call hold no chunk and are written by protobufjs.
 * `test/wire` decodes all of them with it.
 */
import { Buffer } from 'node:buffer';
import { FRAME_HEADER_BYTES, varintBytes, writeVarint } from './chunk-header.ts';
import type { UploadFileRequest } from './messages.ts';
import { transferService } from './service.ts';

/** Room to leave in front of a chunk: 5 + 2 + 9 + 6 + 5 + 2 + 6, rounded up. */
export const UPLOAD_HEADER_ROOM_BYTES = 40;

export interface UploadChunkFields {
  /** Bytes of the chunk as sent. */
  wireBytes: number;
  /** Bytes of the chunk before compression. */
  rawBytes: number;
  compressed: boolean;
  /** The chunk's place in the file. */
  offset: number;
  /** CRC-32 of the raw chunk, or -1 to leave it out. */
  crc32: number;
  /** Number of the Codec of a compressed chunk; 0 to leave it out, which means gzip. */
  codec: number;
}

/** Writes frame and fields so that they end at `chunkAt`, where the chunk begins; returns where the frame starts. */
export function writeUploadHeader(target: Uint8Array, chunkAt: number, fields: UploadChunkFields): number {
  const fieldBytes = bytesOfFields(fields);
  const start = chunkAt - fieldBytes - FRAME_HEADER_BYTES;
  const messageBytes = fieldBytes + fields.wireBytes;
  let end = start;
  target[end++] = 0;
  target[end++] = messageBytes >>> 24;
  target[end++] = messageBytes >>> 16;
  target[end++] = messageBytes >>> 8;
  target[end++] = messageBytes;
  if (fields.compressed) {
    target[end++] = 0x10;
    target[end++] = 1;
  }
  target[end++] = 0x18;
  end = writeVarint(target, end, fields.offset);
  if (fields.compressed) {
    target[end++] = 0x20;
    end = writeVarint(target, end, fields.rawBytes);
  }
  if (fields.crc32 >= 0) {
    target[end++] = 0x2d;
    target[end++] = fields.crc32;
    target[end++] = fields.crc32 >>> 8;
    target[end++] = fields.crc32 >>> 16;
    target[end++] = fields.crc32 >>> 24;
  }
  if (fields.codec > 0) {
    target[end++] = 0x50;
    target[end++] = fields.codec;
  }
  target[end++] = 0x0a;
  writeVarint(target, end, fields.wireBytes);
  return start;
}

function bytesOfFields({ codec, compressed, offset, rawBytes, crc32, wireBytes }: UploadChunkFields): number {
  let bytes = 1 + varintBytes(offset) + 1 + varintBytes(wireBytes);
  if (compressed) bytes += 2 + 1 + varintBytes(rawBytes);
  if (crc32 >= 0) bytes += 5;
  if (codec > 0) bytes += 2;
  return bytes;
}

/** A message without a chunk, in its frame: what opens a call, what finishes the upload. */
export function uploadControlFrame(fields: Partial<UploadFileRequest>): Buffer {
  const message = transferService.UploadFile?.requestSerialize(fields) ?? Buffer.alloc(0);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}
