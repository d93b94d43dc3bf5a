import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { WriteSizer } from '../../../src/engine/download/write-sizer.ts';

const FIRST_BYTES = 64;
const MAX_BYTES = 1024;

/** Far from the thresholds on either side, whatever they are tuned to. */
const AT_ONCE_MS = 0;
const MUCH_TOO_LONG_MS = 60_000;

function sizerAfter(drainMs: number[]): WriteSizer {
  const sizer = new WriteSizer(FIRST_BYTES, MAX_BYTES);
  for (const ms of drainMs) sizer.drained(1, ms);
  return sizer;
}

describe('the sizer of a stream', () => {
  it('starts small', () => {
    const sizer = sizerAfter([]);
    assert.equal(sizer.pieceBytes, FIRST_BYTES);
    assert.ok(sizer.isSmall);
  });

  it('doubles with each write that is drained at once, up to the slab', () => {
    const sizes = [1, 2, 3, 4, 5, 6].map((writes) => sizerAfter(Array(writes).fill(AT_ONCE_MS)).pieceBytes);
    assert.deepEqual(sizes, [128, 256, 512, 1024, 1024, 1024]);
  });

  it('is not small any more once one write was drained at once', () => {
    assert.ok(!sizerAfter([AT_ONCE_MS]).isSmall);
  });

  it('halves with each write that is drained slowly, down to the first piece', () => {
    const fast = Array(4).fill(AT_ONCE_MS);
    const sizes = [1, 2, 3, 4, 5, 6].map(
      (writes) => sizerAfter([...fast, ...Array(writes).fill(MUCH_TOO_LONG_MS)]).pieceBytes,
    );
    assert.deepEqual(sizes, [512, 256, 128, 64, 64, 64]);
  });

  it('starts over small after a restart and keeps count of what was drained', () => {
    const sizer = sizerAfter([AT_ONCE_MS, AT_ONCE_MS]);
    sizer.restart();
    assert.equal(sizer.pieceBytes, FIRST_BYTES);
    assert.ok(sizer.isSmall);
    assert.equal(sizer.drainedBytes, 2);
  });

  it('stays whole bytes between the first piece and the largest, whatever the sizes and the peer', () => {
    // Mostly fast, so that the piece gets as large as the slab, which may be odd.
    const drainMs = fc.constantFrom(AT_ONCE_MS, AT_ONCE_MS, AT_ONCE_MS, 100, MUCH_TOO_LONG_MS);
    const event = fc.oneof(
      { weight: 1, arbitrary: fc.constant('restart' as const) },
      { weight: 9, arbitrary: drainMs },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 2, max: 1000 }),
        fc.array(event, { maxLength: 40, size: 'max' }),
        (first, max, events) => {
          const sizer = new WriteSizer(first, max);
          for (const event of events) {
            if (event === 'restart') sizer.restart();
            else sizer.drained(sizer.pieceBytes, event);
            assert.ok(Number.isInteger(sizer.pieceBytes), `${sizer.pieceBytes} bytes`);
            assert.ok(sizer.pieceBytes >= Math.min(first, Math.floor(max / 2)));
            assert.ok(sizer.pieceBytes <= max);
          }
        },
      ),
    );
  });

  it('is eager until a write is not drained at once, and after a restart no more', () => {
    const slow = sizerAfter([AT_ONCE_MS, MUCH_TOO_LONG_MS, AT_ONCE_MS]);
    const restarted = sizerAfter([AT_ONCE_MS]);
    restarted.restart();
    const isEager = [sizerAfter([]), sizerAfter([AT_ONCE_MS, AT_ONCE_MS]), slow, restarted].map(
      (sizer) => sizer.isEager,
    );
    assert.deepEqual(isEager, [true, true, false, false]);
  });

  it('starts with half a slab at most, so that it can grow', () => {
    assert.equal(new WriteSizer(5000, 1000).pieceBytes, 500);
  });
});
