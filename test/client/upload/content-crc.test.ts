/** The CRC-32 of a whole from chunks in any order, sent once or again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContentCrc } from '../../../src/client/upload/content-crc.ts';
import { crc32 } from '../../../src/wire/crc32.ts';

const SIZE = 1000;
const content = randomBytes(SIZE);

/** Notes the chunks of `[start, end)`, each as long as it may be, as an attempt reads them. */
function send(crc: ContentCrc, start: number, end: number, chunkBytes: number): void {
  for (let at = start; at < end; ) {
    const stop = crc.chunkEnd(at, Math.min(end, at + chunkBytes));
    crc.note(at, stop - at, crc32(content.subarray(at, stop)));
    at = stop;
  }
}

const range = fc
  .tuple(fc.nat(SIZE - 1), fc.integer({ min: 1, max: SIZE }))
  .map(([start, bytes]) => ({ start, end: Math.min(SIZE, start + bytes) }));
const sends = fc.array(fc.tuple(range, fc.integer({ min: 1, max: 300 })), { maxLength: 20 });

test('is that of the whole, whatever was sent, twice and in whatever order', () => {
  fc.assert(
    fc.property(sends, (all) => {
      const crc = new ContentCrc();
      for (const [{ start, end }, chunkBytes] of all) send(crc, start, end, chunkBytes);
      for (let gap = crc.gap(SIZE); gap !== undefined; gap = crc.gap(SIZE)) send(crc, gap.start, gap.end, 77);
      assert.equal(crc.whole, crc32(content));
    }),
  );
});

test('a gap is what nobody has sent', () => {
  fc.assert(
    fc.property(sends, (all) => {
      const crc = new ContentCrc();
      const isSent = new Array<boolean>(SIZE).fill(false);
      for (const [{ start, end }, chunkBytes] of all) {
        send(crc, start, end, chunkBytes);
        isSent.fill(true, start, end);
      }
      const first = isSent.indexOf(false);
      const gap = crc.gap(SIZE);
      assert.equal(gap?.start ?? -1, first);
      if (gap !== undefined) assert.ok(isSent.slice(gap.start, gap.end).every((sent) => !sent));
    }),
  );
});

test('of nothing is 0, and has no gap', () => {
  const crc = new ContentCrc();
  assert.deepEqual([crc.whole, crc.gap(0)], [0, undefined]);
});
