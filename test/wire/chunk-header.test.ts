import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_CHUNK_HEADER_BYTES, MAX_RECEIVED_CHUNK_BYTES } from '../../src/base/limits.ts';
import {
  type ChunkFields,
  chunkHeaderBytes,
  FRAME_HEADER_BYTES,
  framedMessageBytes,
  writeChunkHeader,
} from '../../src/wire/chunk-header.ts';
import type { ExchangeResponse } from '../../src/wire/messages.ts';
import { transferService } from '../../src/wire/service.ts';
import { decodeRun } from '../support/decoded-run.ts';

const GUARD = 0xee;

/** The frame of a chunk of `wireBytes` sevens, written `at` bytes into a guarded buffer. */
function framed(fields: ChunkFields, at = 0): Uint8Array {
  const headerBytes = chunkHeaderBytes(fields);
  const target = new Uint8Array(at + headerBytes + fields.wireBytes + 8).fill(GUARD);
  const chunkAt = writeChunkHeader(target, at, fields);
  assert.equal(chunkAt - at, headerBytes, 'chunkHeaderBytes is what writeChunkHeader writes');
  assert.ok(target.subarray(0, at).every((byte) => byte === GUARD));
  assert.ok(target.subarray(chunkAt).every((byte) => byte === GUARD));
  target.fill(7, chunkAt, chunkAt + fields.wireBytes);
  return target.subarray(at, chunkAt + fields.wireBytes);
}

/** What a client must decode. */
function decodedOf(fields: ChunkFields) {
  const hasDetails = fields.offset >= 0;
  return {
    chunk: Buffer.alloc(fields.wireBytes, 7),
    compressed: fields.compressed,
    offset: hasDetails ? fields.offset : 0,
    rawSize: hasDetails ? Math.max(0, fields.rawBytes) : 0,
    file: null,
    summary: null,
    codec: ['CODEC_UNSPECIFIED', 'CODEC_GZIP', 'CODEC_BROTLI', 'CODEC_ZSTD'][fields.codec],
    ...(fields.crc32 >= 0 ? { crc32: fields.crc32 } : {}),
  };
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
  offset: fc.oneof(fc.constant(-1), edgy(Number.MAX_SAFE_INTEGER)),
  crc32: fc.oneof(fc.constant(-1), edgy(0xffff_ffff)),
  codec: fc.nat(3),
});

describe('a chunk header', () => {
  it('decodes with protobufjs to the fields it was written from', () => {
    fc.assert(
      fc.property(anyFields, fc.nat(9), (fields, at) => {
        assert.deepEqual(decodeRun(framed(fields, at)), [decodedOf(fields)]);
      }),
      { numRuns: 500 },
    );
  });

  it('decodes within an ExchangeResponse as by itself, with the id of its request', () => {
    const decode = transferService.Exchange?.responseDeserialize as (bytes: Buffer) => ExchangeResponse;
    fc.assert(
      fc.property(anyFields, fc.integer({ min: 1, max: 2 ** 32 - 1 }), (fields, exchangeId) => {
        const frame = framed({ ...fields, exchangeId });
        assert.equal(framedMessageBytes(frame, 0), frame.length);
        const { data, id } = decode(Buffer.from(frame.subarray(FRAME_HEADER_BYTES)));
        assert.equal(id, exchangeId);
        assert.deepEqual(data, decodedOf(fields));
      }),
      { numRuns: 300 },
    );
  });

  for (const compressed of [false, true]) {
    for (const offset of [-1, 0, 4096]) {
      for (const crc32 of [-1, 0, 0xdead_beef]) {
        const fields = {
          wireBytes: 300,
          rawBytes: 1000,
          compressed,
          offset,
          crc32,
          codec: compressed ? 3 : 0,
        };
        it(`decodes with compressed ${compressed}, offset ${offset}, crc32 ${crc32}`, () => {
          assert.deepEqual(decodeRun(framed(fields)), [decodedOf(fields)]);
        });
      }
    }
  }

  for (const edge of [2 ** 7, 2 ** 14, 2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
    it(`carries the offsets around ${edge}`, () => {
      for (const offset of [edge - 1, edge, Math.min(edge + 1, Number.MAX_SAFE_INTEGER)]) {
        const fields = { wireBytes: 3, rawBytes: 3, compressed: false, offset, crc32: 1, codec: 0 };
        assert.deepEqual(decodeRun(framed(fields)), [decodedOf(fields)]);
      }
    });
  }

  it('frames a chunk of the largest size that a client takes', () => {
    const bytes = MAX_RECEIVED_CHUNK_BYTES;
    const fields = { wireBytes: bytes, rawBytes: bytes, compressed: false, offset: 0, crc32: 0, codec: 0 };
    const run = framed(fields);
    assert.equal(framedMessageBytes(run, 0), run.length);
    const [message] = decodeRun(run);
    assert.equal(message?.chunk.length, bytes);
    assert.equal(message?.rawSize, bytes);
  });

  it('is never longer than the headroom reserved for it', () => {
    const largest = { wireBytes: 2 ** 31 - 1, rawBytes: 2 ** 31 - 1, offset: Number.MAX_SAFE_INTEGER };
    const fields = { ...largest, compressed: true, crc32: 0xffff_ffff, codec: 3, exchangeId: 2 ** 32 - 1 };
    const bytes = chunkHeaderBytes(fields);
    assert.ok(bytes <= MAX_CHUNK_HEADER_BYTES, `${bytes} bytes`);
  });

  it('is written to shared memory as to any other', () => {
    const fields = {
      wireBytes: 10,
      rawBytes: 500,
      compressed: true,
      offset: 2 ** 40,
      crc32: 0x8000_0001,
      codec: 2,
    };
    const shared = new Uint8Array(new SharedArrayBuffer(64));
    const chunkAt = writeChunkHeader(shared, 0, fields);
    shared.fill(7, chunkAt, chunkAt + 10);
    assert.deepEqual(shared.slice(0, chunkAt + 10), framed(fields));
  });
});

describe('framedMessageBytes', () => {
  it('walks a run of any messages from frame to frame', () => {
    fc.assert(
      fc.property(fc.array(anyFields, { maxLength: 8 }), (all) => {
        const run = Buffer.concat(all.map((fields) => framed(fields)));
        assert.deepEqual(decodeRun(run), all.map(decodedOf));
      }),
    );
  });

  it('counts from the start of a view, not of its buffer', () => {
    const fields = { wireBytes: 20, rawBytes: 20, compressed: false, offset: -1, crc32: -1, codec: 0 };
    const message = framed(fields, 13);
    assert.notEqual(message.byteOffset, 0);
    assert.equal(framedMessageBytes(message, 0), message.length);
  });
});
