/** What is still to be sent, from what the server says it has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { missingRanges } from '../../../src/base/ranges.ts';
import { MIN_PART_BYTES } from '../../../src/client/limits.ts';
import { type SendingPart, uploadParts } from '../../../src/client/upload/parts.ts';
import { uploadStateOf } from '../../../src/client/upload/state.ts';
import type { GetUploadStatusResponse, Part } from '../../../src/wire/messages.ts';

const SIZE = 60;

/** Ranges as a server tells them: ascending, apart. */
const presence = fc.array(fc.boolean(), { minLength: SIZE, maxLength: SIZE });

function rangesOf(present: readonly boolean[]): Part[] {
  const ranges: Part[] = [];
  for (const [at, isThere] of present.entries()) {
    const last = ranges.at(-1);
    if (isThere && last?.end === at) last.end += 1;
    else if (isThere) ranges.push({ start: at, end: at + 1 });
  }
  return ranges;
}

function covered(ranges: readonly Part[]): boolean[] {
  const isCovered = new Array<boolean>(SIZE).fill(false);
  for (const { start, end } of ranges) isCovered.fill(true, start, end);
  return isCovered;
}

test('what is missing and what is there make the whole', () => {
  fc.assert(
    fc.property(presence, (present) => {
      const missing = missingRanges(rangesOf(present), 0, SIZE);
      assert.deepEqual(
        covered(missing),
        present.map((isThere) => !isThere),
      );
    }),
  );
});

test('what is missing of a range stays inside it', () => {
  fc.assert(
    fc.property(presence, fc.nat(SIZE), fc.nat(SIZE), (present, a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      const missing = missingRanges(rangesOf(present), start, end);
      const expected = present.map((isThere, at) => !isThere && at >= start && at < end);
      assert.deepEqual(covered(missing), expected);
    }),
  );
});

test('parts are taken once, in order, and cover what was missing', () => {
  fc.assert(
    fc.property(presence, (present) => {
      const missing = missingRanges(rangesOf(present), 0, SIZE);
      const parts = uploadParts(missing);
      const taken: Part[] = [];
      for (let part = parts.take(); part !== undefined; part = parts.take()) {
        assert.ok(part.start >= (taken.at(-1)?.end ?? 0));
        taken.push({ start: part.start, end: part.end });
        parts.settle(part);
      }
      assert.deepEqual(covered(taken), covered(missing));
      assert.deepEqual([parts.count, parts.remainingBytes], [0, 0]);
    }),
  );
});

test('what failed of a part is taken again, before the others', () => {
  const parts = uploadParts([0, 10, 20].map((start) => ({ start, end: start + 10 })));
  const first = parts.take();
  assert.ok(first !== undefined);
  first.movedEnd = 8;
  assert.equal(parts.remainingBytes, 22);
  parts.settle(first, [{ start: 5, end: 10 }]);
  assert.deepEqual([parts.count, parts.remainingBytes], [3, 25]);
  assert.equal(parts.take()?.start, 5);
});

test('one who sends has the whole; a second one gets half of what is left, as long as halves are worth it', () => {
  const whole = 16 * MIN_PART_BYTES;
  const parts = uploadParts([{ start: 0, end: whole }]);
  assert.equal(parts.isDivisible, true);
  const first = parts.take();
  assert.deepEqual([first?.start, first?.end, parts.count], [0, whole, 1]);
  (first as SendingPart).takenEnd = 2 * MIN_PART_BYTES;
  const second = parts.take();
  assert.deepEqual([second?.start, second?.end], [9 * MIN_PART_BYTES, whole]);
  assert.equal(first?.end, second?.start);
  (first as SendingPart).takenEnd = (first as SendingPart).end;
  (second as SendingPart).takenEnd = whole - 2 * MIN_PART_BYTES + 1;
  assert.equal(parts.take(), undefined);
});

test('a part that is cut leaves the rest to others', () => {
  const parts = uploadParts([{ start: 0, end: 30 }]);
  const part = parts.take() as SendingPart;
  part.takenEnd = 12;
  parts.cut(part);
  assert.equal(part.end, 12);
  assert.deepEqual([parts.count, parts.remainingBytes], [2, 30]);
  const rest = parts.take();
  assert.deepEqual([rest?.start, rest?.end], [12, 30]);
  parts.cut(part);
  assert.equal(parts.count, 2, 'once is enough');
});

test('two gaps are for two, a short one is for one', () => {
  const [one, two] = [
    { start: 0, end: 10 },
    { start: 20, end: 30 },
  ];
  assert.equal(uploadParts([one, two]).isDivisible, true);
  assert.equal(uploadParts([one]).isDivisible, false);
});

test('a stream of unknown length is not divided', () => {
  const parts = uploadParts([{ start: 0, end: Number.POSITIVE_INFINITY }]);
  assert.equal(parts.isDivisible, false);
  parts.take();
  assert.equal(parts.take(), undefined);
});

function response(changes: Partial<GetUploadStatusResponse>): GetUploadStatusResponse {
  return {
    fileName: 'a',
    committedSize: 0,
    parts: [],
    complete: false,
    file: null,
    expiresMs: 0,
    acceptedCodecs: [],
    maxChunkSize: 0,
    takesPings: false,
    ...changes,
  };
}

test('a state without parts is that of its prefix', () => {
  const { committedSize, durable, durableBytes } = uploadStateOf(response({ committedSize: 7 }), 10);
  assert.deepEqual([committedSize, durable, durableBytes], [7, [{ start: 0, end: 7 }], 7]);
});

test('whatever a server says, the state is sane or refused', () => {
  const numbers = fc.oneof(fc.integer({ min: -5, max: 15 }), fc.double(), fc.constant(2 ** 53));
  const parts = fc.array(fc.record({ start: numbers, end: numbers }), { maxLength: 4 });
  fc.assert(
    fc.property(parts, numbers, (told, committedSize) => {
      let state: ReturnType<typeof uploadStateOf>;
      try {
        state = uploadStateOf(response({ parts: told, committedSize }), 10);
      } catch (reason) {
        assert.equal((reason as { code?: string }).code, 'PROTOCOL_ERROR');
        return;
      }
      let lastEnd = -1;
      for (const { start, end } of state.durable) {
        assert.ok(start > lastEnd && end > start && end <= 10 && start >= 0);
        lastEnd = end;
      }
      assert.ok(state.committedSize >= 0 && state.committedSize <= 10);
    }),
  );
});
