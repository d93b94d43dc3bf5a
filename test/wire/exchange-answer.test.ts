import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeExchangeAnswer } from '../../src/wire/exchange-answer.ts';
import type { ExchangeResponse, ListFilesResponse } from '../../src/wire/messages.ts';
import { transferService } from '../../src/wire/service.ts';
import { seedOf } from '../support/seed.ts';

const MOST_BYTES = 1000;

function encoded(response: Partial<ExchangeResponse>): Buffer {
  return transferService.Exchange?.responseSerialize(response) as Buffer;
}

test('tells the encoded size of what an answer carries, as the server counts it', (t) => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffff_ffff }), fc.uint8Array({ maxLength: 800 }), (id, position) => {
      const entries: ListFilesResponse = { entries: [], omitted: [], position };
      const inner = transferService.ListFiles?.responseSerialize(entries) as Buffer;

      const answer = decodeExchangeAnswer(encoded({ id, entries }), MOST_BYTES);

      assert.equal(answer.encodedBytes, inner.byteLength);
      assert.equal(answer.response.id, id);
      assert.deepEqual(Buffer.from(answer.response.entries?.position ?? []), Buffer.from(position));
    }),
    { seed: seedOf(t) },
  );
});

test('refuses large answers that are no chunk', () => {
  const entries: ListFilesResponse = { entries: [], omitted: [], position: Buffer.alloc(MOST_BYTES) };
  const data = {
    chunk: Buffer.alloc(MOST_BYTES),
    compressed: false,
    offset: 0,
    rawSize: MOST_BYTES,
    codec: 0,
  };

  assert.throws(() => decodeExchangeAnswer(encoded({ id: 7, entries }), MOST_BYTES), /1000 are the most/);
  assert.throws(() => decodeExchangeAnswer(encoded({ id: 0, entries }), MOST_BYTES), /1000 are the most/);
  assert.equal(
    decodeExchangeAnswer(encoded({ id: 700, data }), MOST_BYTES).response.data?.rawSize,
    MOST_BYTES,
  );
});

test('takes any bytes apart, or throws', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        assert.ok(decodeExchangeAnswer(Buffer.from(bytes), MOST_BYTES).encodedBytes >= 0);
      } catch (reason) {
        assert.ok(reason instanceof Error);
        assert.notEqual(reason.name, 'AssertionError');
      }
    }),
    { seed: seedOf(t), numRuns: 500 },
  );
});
