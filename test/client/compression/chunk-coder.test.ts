/** Chunks through the coder of one connection, without a connection. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Coding, codingsFor, IDENTITY } from '../../../src/base/coding.ts';
import { KIB } from '../../../src/base/units.ts';
import { CodecAccount } from '../../../src/client/codec-account.ts';
import { ChunkCoder, type CodedChunk } from '../../../src/client/compression/chunk-coder.ts';
import { SharedChoice } from '../../../src/client/compression/shared-choice.ts';
import { CodecChoice } from '../../../src/compression/codec-choice.ts';
import type { CallLink } from '../../../src/flow/connections/call-link.ts';
import { decodeChunkSync } from '../../../src/wire/chunk-decoder.ts';
import { RUNTIME_CODECS } from '../../../src/wire/codec.ts';
import { CODINGS_HERE } from '../../support/codecs.ts';
import { noiseBytes, textBytes } from '../../support/test-engine.ts';

function coderOf(fixed: Coding, choice?: CodecChoice): { account: CodecAccount; coder: ChunkCoder } {
  const account = new CodecAccount();
  const context = {
    account,
    takesPings: true,
    fixed,
    workers: 1,
    inTurn: <R>(action: () => Promise<R>) => action(),
  };
  return { account, coder: new ChunkCoder(context, new SharedChoice(() => choice)) };
}

function rawOf({ bytes, coding, rawBytes }: CodedChunk): Uint8Array {
  return coding.codec === 'identity' ? bytes : decodeChunkSync(bytes, coding.codec, rawBytes);
}

describe('a coded chunk', () => {
  const text = textBytes(100 * KIB);
  const noise = noiseBytes(100 * KIB);

  for (const coding of CODINGS_HERE) {
    it(`is smaller by ${coding.codec} ${coding.level}, or what it was`, async () => {
      const { coder } = coderOf(coding);
      const [ofText, ofNoise] = [await coder.coded(text), await coder.coded(noise)];
      assert.deepEqual([ofText.coding, ofNoise.coding.codec], [coding, 'identity']);
      assert.ok(ofText.bytes.length < text.length / 2);
      assert.ok(text.equals(rawOf(ofText)));
      assert.equal(ofNoise.bytes, noise);
    });
  }

  it('is what it was when nothing is to be compressed, and no turn is taken', async () => {
    const { coder } = coderOf(IDENTITY);
    assert.equal((await coder.coded(text)).bytes, text);
  });

  it('follows the data, where nothing can tell whether it has arrived', async () => {
    const choice = new CodecChoice(codingsFor(RUNTIME_CODECS, 6));
    const { account, coder } = coderOf(IDENTITY, choice);
    coder.began(undefined);
    const chunks = [text, text, noise, noise, noise, text, text.subarray(0, 100)];
    const sent: CodedChunk[] = [];
    for (const chunk of chunks) {
      const coded = await coder.coded(chunk);
      assert.ok(Buffer.from(chunk).equals(rawOf(coded)));
      sent.push(coded);
      coder.wrote(coded);
      // As with a transport that holds two.
      if (sent.length > 1) coder.drained();
    }
    coder.drained();
    const isPlain = sent.map(({ coding }) => coding.codec === 'identity');
    assert.deepEqual(isPlain.slice(0, 5), [false, false, true, true, true]);
    assert.equal(isPlain.at(-1), true, 'what is too short is left as it is');
    const { bytesByCodec, wireBytes } = account.total;
    const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);
    assert.equal(sum(Object.values(bytesByCodec)), sum(chunks.map(({ length }) => length)));
    assert.equal(wireBytes, sum(sent.map(({ bytes }) => bytes.length)));
    assert.equal(sum(Object.values(choice.summary().bytes)), sum(Object.values(bytesByCodec)));
  });
});

describe('an echo', () => {
  it('of a call before is not taken for that of the next one', async () => {
    const choice = new CodecChoice(codingsFor(RUNTIME_CODECS, 6));
    const { coder } = coderOf(IDENTITY, choice);
    const echoes: (() => void)[] = [];
    const link = { pingBarrier: (echoed: () => void) => echoes.push(echoed) > 0 } as CallLink;
    coder.began(link);
    // Barriers keep a distance.
    while (echoes.length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
      coder.began(link);
    }
    echoes[0]?.();
    assert.equal(choice.link.hasEchoes, false);
    echoes[1]?.();
    assert.equal(choice.link.hasEchoes, true);
  });
});
