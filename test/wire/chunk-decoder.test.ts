import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brotliCompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { type CodecName, nameOfCoding } from '../../src/base/coding.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { decodeChunk } from '../../src/wire/chunk-decoder.ts';
import { encodeSync } from '../../src/wire/codec.ts';
import { CODINGS_HERE, WITHOUT_ZSTD } from '../support/codecs.ts';
import { noiseBytes, textBytes } from '../support/test-engine.ts';

/** The outcome of decoding, whether it is thrown or called back. */
function decoded(chunk: Uint8Array, codec: CodecName, rawBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    decodeChunk(chunk, codec, rawBytes, (error, content) => (error ? reject(error) : resolve(content)));
  });
}

const REFUSED = { code: 'PROTOCOL_ERROR' };
const text = textBytes(200 * KIB);

describe('a chunk', () => {
  it('of any bytes and any codec decodes to what it was', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4000 }),
      fc.integer({ min: 1, max: 300 * KIB }).map(textBytes),
      fc.integer({ min: 1, max: 300 * KIB }).map(noiseBytes),
    );
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom(...CODINGS_HERE), async (raw, coding) => {
        const back = await decoded(encodeSync(raw, coding), coding.codec as CodecName, raw.length);
        assert.ok(Buffer.from(raw).equals(back));
      }),
      { numRuns: 60 },
    );
  });

  for (const coding of CODINGS_HERE) {
    const codec = coding.codec as CodecName;
    const name = nameOfCoding(coding);

    it(`of ${name} is refused when its size is not the declared one`, async () => {
      const chunk = encodeSync(text, coding);
      for (const rawBytes of [1, text.length - 1, text.length + 1, 64 * MIB]) {
        await assert.rejects(decoded(chunk, codec, rawBytes), REFUSED);
      }
    });

    it(`of ${name} is refused when it is cut anywhere`, async () => {
      const chunk = encodeSync(text, coding);
      for (const bytes of [0, 1, 4, 10, 20, chunk.length >> 1, chunk.length - 9, chunk.length - 1]) {
        await assert.rejects(decoded(chunk.subarray(0, bytes), codec, text.length), REFUSED);
      }
    });

    it(`of ${name} is refused when something follows it`, async () => {
      const chunk = encodeSync(text, coding);
      const empty = encodeSync(new Uint8Array(0), coding);
      for (const tail of [Buffer.from([0]), Buffer.alloc(100), chunk, empty]) {
        await assert.rejects(decoded(Buffer.concat([chunk, tail]), codec, text.length), REFUSED);
        await assert.rejects(decoded(Buffer.concat([chunk, tail]), codec, 2 * text.length), REFUSED);
      }
      await assert.rejects(decoded(Buffer.concat([empty, chunk]), codec, text.length), REFUSED);
    });

    it(`of ${name} that is a bomb costs no more memory than it declared`, async () => {
      const bomb = encodeSync(Buffer.alloc(64 * MIB), coding);
      const before = process.memoryUsage().rss;
      await assert.rejects(decoded(bomb, codec, 100 * KIB), REFUSED);
      assert.ok(process.memoryUsage().rss - before < 32 * MIB);
    });
  }

  it('of bytes that are no codec at all is refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom<CodecName>('gzip', 'brotli', 'zstd'),
        async (bytes, codec) => {
          // What happens to be valid has some other size.
          await assert.rejects(decoded(bytes, codec, 50 * KIB), REFUSED);
        },
      ),
    );
  });

  it('of brotli or zstd is refused when its window is larger than 4 MiB', async () => {
    const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY } = constants;
    for (const bits of [22, 23, 24]) {
      const chunk = brotliCompressSync(text, {
        params: { [BROTLI_PARAM_LGWIN]: bits, [BROTLI_PARAM_QUALITY]: 1 },
      });
      if (bits === 22) assert.ok(text.equals(await decoded(chunk, 'brotli', text.length)));
      else await assert.rejects(decoded(chunk, 'brotli', text.length), /its window is larger/);
    }
    if (WITHOUT_ZSTD !== false) return;
    // A frame that is no single segment says the exponent of its window, less 10, in its sixth byte.
    const frame = (bits: number) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (bits - 10) << 3, 9, 0, 0, 120]);
    assert.equal((await decoded(frame(22), 'zstd', 1))[0], 120);
    await assert.rejects(decoded(frame(23), 'zstd', 1), REFUSED);
  });

  it('of zstd is held to the same', { skip: WITHOUT_ZSTD }, () => {
    assert.ok(CODINGS_HERE.some(({ codec }) => codec === 'zstd'));
  });
});
