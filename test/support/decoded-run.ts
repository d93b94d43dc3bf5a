/** Decodes what sluice puts on the wire with grpc-js' own means: the frame by its five bytes, the message by protobufjs. */
import assert from 'node:assert/strict';
import * as zlib from 'node:zlib';
import { framedMessageBytes } from '../../src/wire/chunk-header.ts';
import type { StreamFileResponse } from '../../src/wire/messages.ts';
import { transferService } from '../../src/wire/service.ts';

const FRAME_HEADER_BYTES = 5;

/** One message without its frame. */
function decodeMessage(message: Uint8Array): StreamFileResponse {
  return transferService.StreamFile?.responseDeserialize(
    Buffer.from(message),
  ) as unknown as StreamFileResponse;
}

/** The messages of a run of whole frames. */
export function decodeRun(run: Uint8Array): StreamFileResponse[] {
  const messages = [];
  let at = 0;
  while (at < run.length) {
    const end = at + framedMessageBytes(run, at);
    assert.equal(run[at], 0, 'a frame of sluice is not compressed as a whole');
    assert.ok(end <= run.length, 'the last frame is whole');
    messages.push(decodeMessage(run.subarray(at + FRAME_HEADER_BYTES, end)));
    at = end;
  }
  return messages;
}

/** The file bytes that a message carries. */
export function rawBytesOf(message: StreamFileResponse): Uint8Array {
  if (!message.compressed) return message.chunk;
  switch (message.codec) {
    case 'CODEC_BROTLI':
      return zlib.brotliDecompressSync(message.chunk);
    case 'CODEC_ZSTD':
      return (zlib as unknown as { zstdDecompressSync(bytes: Uint8Array): Uint8Array }).zstdDecompressSync(
        message.chunk,
      );
    default:
      return zlib.gunzipSync(message.chunk);
  }
}
