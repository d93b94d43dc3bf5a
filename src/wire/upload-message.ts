/**
 * The UploadFileRequest of a chunk in its gRPC frame, in front of bytes that are
 * already in place, so that a chunk read from a file is not copied into its
 * message. The messages that open and finish a call hold no chunk and are
 * written by protobufjs.
 *
 *   0              h − header     h        h + n
 *   | unused       | header       | chunk  |        the header: see `chunk-header.ts`
 */
import { Buffer } from 'node:buffer';
import {
  type ChunkFields,
  chunkHeaderBytes,
  FRAME_HEADER_BYTES,
  UPLOAD_CODEC_TAG,
  writeChunkHeader,
} from './chunk-header.ts';
import type { UploadFileRequest } from './messages.ts';
import { transferService } from './service.ts';

/** Headroom to leave in front of a chunk: 5 + 2 + 9 + 6 + 5 + 2 + 6, rounded up. */
export const UPLOAD_HEADROOM_BYTES = 40;

/** Writes frame and fields so that they end at `chunkAt`, where the chunk begins; returns where the frame starts. */
export function writeUploadHeader(target: Uint8Array, chunkAt: number, fields: ChunkFields): number {
  const start = chunkAt - chunkHeaderBytes(fields);
  writeChunkHeader(target, start, fields, UPLOAD_CODEC_TAG);
  return start;
}

/** A message without a chunk, in its frame: what opens a call, what finishes the upload. */
export function uploadControlFrame(fields: Partial<UploadFileRequest>): Buffer {
  return framed(transferService.UploadFile?.requestSerialize(fields) ?? Buffer.alloc(0));
}

/** A copy of `message` in its gRPC frame. */
export function framed(message: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}
