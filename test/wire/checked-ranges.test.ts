import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CheckedRanges } from '../../src/wire/checked-ranges.ts';
import { crc32 } from '../../src/wire/crc32.ts';

/** The ends of consecutive chunks, and an order for them to come in. */
const CHUNKS = fc
  .uniqueArray(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 })
  .map((ends) => ends.sort((a, b) => a - b))
  .chain((ends) => fc.tuple(fc.constant(ends), fc.shuffledSubarray(ends.map((_, index) => index))));

function chunksOf(content: Uint8Array, ends: readonly number[], order: readonly number[]) {
  return order.map((index) => {
    const start = ends[index - 1] ?? 0;
    const end = ends[index] as number;
    return { start, end, crc32: crc32(content.subarray(start, end)) };
  });
}

const CONTENT = Uint8Array.from({ length: 300 }, (_, index) => (index * 7919) >> 3);

describe('checked ranges', () => {
  it('say of each byte what was added, and of each range its CRC-32', () => {
    fc.assert(
      fc.property(CHUNKS, fc.option(fc.integer({ min: 1, max: 100 })), ([ends, order], maxPieceBytes) => {
        const chunks = chunksOf(CONTENT, ends, order);
        const ranges = new CheckedRanges(chunks, maxPieceBytes ?? undefined);
        const added = new Set(
          chunks.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i)),
        );
        const said = [...ranges].flatMap(({ start, end }) =>
          Array.from({ length: end - start }, (_, i) => start + i),
        );
        assert.deepEqual(
          said,
          [...added].sort((a, b) => a - b),
        );
        assert.equal(ranges.bytes, added.size);
        for (const range of ranges)
          assert.equal(range.crc32, crc32(CONTENT.subarray(range.start, range.end)));
      }),
    );
  });

  it('are merged where they touch, and not else', () => {
    fc.assert(
      fc.property(CHUNKS, ([ends, order]) => {
        const ranges = new CheckedRanges(chunksOf(CONTENT, ends, order));
        const starts = new Set([...ranges].map(({ start }) => start));
        for (const { end } of ranges) assert.ok(!starts.has(end));
        for (let offset = 0; offset <= 300; offset += 1) {
          const range = [...ranges].find(({ start, end }) => start <= offset && offset < end);
          assert.equal(ranges.endAt(offset), range?.end ?? offset);
          assert.equal(
            ranges.touches(offset),
            [...ranges].some(({ start, end }) => start <= offset && offset <= end),
          );
          const isThere = range !== undefined || starts.has(offset + 1);
          assert.equal(ranges.overlaps({ start: offset, end: offset + 2 }), isThere);
        }
      }),
    );
  });

  it('know the CRC-32 of the whole exactly when all of it is there', () => {
    fc.assert(
      fc.property(CHUNKS, ([ends, order]) => {
        const ranges = new CheckedRanges(chunksOf(CONTENT, ends, order));
        const size = ends.at(-1) as number;
        const isWhole = order.length === ends.length;
        assert.equal(ranges.crc32Of(size), isWhole ? crc32(CONTENT.subarray(0, size)) : undefined);
        assert.equal(ranges.crc32Of(size + 1), undefined);
      }),
    );
    assert.equal(new CheckedRanges().crc32Of(0), 0);
  });

  it('are not merged beyond the size of a piece', () => {
    const ranges = new CheckedRanges([], 10);
    for (let start = 0; start < 100; start += 3) ranges.add({ start, end: start + 3, crc32: 0 });
    for (const { start, end } of ranges) assert.ok(end - start <= 10);
    assert.ok(ranges.count <= 12);
  });

  it('refuse an overlap, which is a defect of the caller', () => {
    const ranges = new CheckedRanges([{ start: 10, end: 20, crc32: 0 }]);
    for (const [start, end] of [
      [9, 11],
      [10, 20],
      [12, 13],
      [19, 30],
      [0, 100],
      [5, 5],
    ] as const) {
      assert.throws(() => ranges.add({ start, end, crc32: 0 }), { name: 'AssertionError' });
    }
  });
});
