import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ChunkFields } from '../../src/wire/chunk-header.ts';
import type { UploadFileRequest } from '../../src/wire/messages.ts';
import { transferService } from '../../src/wire/service.ts';
import {
  UPLOAD_HEADROOM_BYTES,
  uploadControlFrame,
  writeUploadHeader,
} from '../../src/wire/upload-message.ts';

const GUARD = 0xee;

/** By their numbers in the contract. */
const CODECS = ['CODEC_UNSPECIFIED', 'CODEC_GZIP', 'CODEC_BROTLI', 'CODEC_ZSTD'];

function decode(message: Uint8Array): UploadFileRequest {
  const method = transferService.UploadFile;
  assert.ok(method !== undefined);
  return method.requestDeserialize(Buffer.from(message)) as UploadFileRequest;
}

/** The message of a chunk of sevens, out of its frame, in a buffer whose headroom is guarded. */
function messageOf(fields: ChunkFields): Uint8Array {
  const buffer = new Uint8Array(UPLOAD_HEADROOM_BYTES + fields.wireBytes).fill(7, UPLOAD_HEADROOM_BYTES);
  buffer.fill(GUARD, 0, UPLOAD_HEADROOM_BYTES);
  const start = writeUploadHeader(buffer, UPLOAD_HEADROOM_BYTES, fields);
  assert.ok(start >= 0, 'the header fits its headroom');
  assert.ok(buffer.subarray(0, start).every((byte) => byte === GUARD));
  assert.ok(buffer.subarray(UPLOAD_HEADROOM_BYTES).every((byte) => byte === 7));
  return unframed(Buffer.from(buffer.subarray(start)));
}

function unframed(frame: Buffer): Buffer {
  assert.equal(frame[0], 0, 'not compressed as a message');
  assert.equal(frame.readUInt32BE(1), frame.length - 5);
  return frame.subarray(5);
}

/** Numbers around the places where a varint gets one byte longer, and any others. */
function edgy(max: number) {
  const edges = [2 ** 7, 2 ** 14, 2 ** 21, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 35, 2 ** 42, 2 ** 49, 2 ** 53 - 1];
  const around = edges.flatMap((edge) => [edge - 1, edge, edge + 1]).filter((value) => value <= max);
  return fc.oneof(fc.constantFrom(0, 1, ...around), fc.integer({ min: 0, max }));
}

const anyFields: fc.Arbitrary<ChunkFields> = fc.record({
  wireBytes: edgy(20_000),
  rawBytes: fc.oneof(fc.constant(-1), edgy(2 ** 31 - 1)),
  compressed: fc.boolean(),
  offset: edgy(Number.MAX_SAFE_INTEGER),
  crc32: fc.oneof(fc.constant(-1), edgy(0xffff_ffff)),
  codec: fc.integer({ min: 0, max: 3 }),
});

describe('the message of an uploaded chunk', () => {
  it('decodes with protobufjs to the fields it was written from', () => {
    fc.assert(
      fc.property(anyFields, (fields) => {
        const { chunk, codec, compressed, offset, rawSize, crc32 } = decode(messageOf(fields));
        assert.deepEqual(chunk, Buffer.alloc(fields.wireBytes, 7));
        assert.deepEqual(
          [compressed, codec, offset, rawSize, crc32],
          [
            fields.compressed,
            CODECS[fields.codec],
            fields.offset,
            Math.max(0, fields.rawBytes),
            fields.crc32 < 0 ? undefined : fields.crc32,
          ],
        );
      }),
    );
  });

  it('has headroom for the longest header', () => {
    const longest = { rawBytes: 2 ** 31 - 1, compressed: true, offset: Number.MAX_SAFE_INTEGER };
    messageOf({ ...longest, crc32: 0, codec: 3, wireBytes: 64 * 1024 * 1024 });
  });
});

describe('a message without a chunk', () => {
  it('opens and finishes a call', () => {
    const expected = { size: 5, crc32: 7, sha256: Buffer.alloc(0) };
    assert.equal(decode(unframed(uploadControlFrame({ uploadId: 'u' }))).uploadId, 'u');
    const last = decode(unframed(uploadControlFrame({ finish: true, expected })));
    assert.deepEqual([last.finish, last.expected], [true, expected]);
    assert.equal(last.chunk.byteLength, 0);
  });
});
