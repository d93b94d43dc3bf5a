import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Pace } from '../../src/engine/pace.ts';

const FIRST_BYTES = 64;
const MAX_BYTES = 1024;

/** Far from the thresholds on either side, whatever they are tuned to. */
const AT_ONCE_MS = 0;
const MUCH_TOO_LONG_MS = 60_000;

function paceAfter(drainMs: number[]): Pace {
  const pace = new Pace(FIRST_BYTES, MAX_BYTES);
  for (const ms of drainMs) pace.drained(1, ms);
  return pace;
}

describe('the pace of a stream', () => {
  it('starts small', () => {
    const pace = paceAfter([]);
    assert.equal(pace.pieceBytes, FIRST_BYTES);
    assert.ok(pace.isSmall);
  });

  it('doubles with each write that is drained at once, up to the slab', () => {
    const sizes = [1, 2, 3, 4, 5, 6].map((writes) => paceAfter(Array(writes).fill(AT_ONCE_MS)).pieceBytes);
    assert.deepEqual(sizes, [128, 256, 512, 1024, 1024, 1024]);
  });

  it('is not small any more once one write was drained at once', () => {
    assert.ok(!paceAfter([AT_ONCE_MS]).isSmall);
  });

  it('halves with each write that is drained slowly, down to the first piece', () => {
    const fast = Array(4).fill(AT_ONCE_MS);
    const sizes = [1, 2, 3, 4, 5, 6].map(
      (writes) => paceAfter([...fast, ...Array(writes).fill(MUCH_TOO_LONG_MS)]).pieceBytes,
    );
    assert.deepEqual(sizes, [512, 256, 128, 64, 64, 64]);
  });

  it('starts over small after a restart and keeps count of what was drained', () => {
    const pace = paceAfter([AT_ONCE_MS, AT_ONCE_MS]);
    pace.restart();
    assert.equal(pace.pieceBytes, FIRST_BYTES);
    assert.ok(pace.isSmall);
    assert.equal(pace.drainedBytes, 2);
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
          const pace = new Pace(first, max);
          for (const event of events) {
            if (event === 'restart') pace.restart();
            else pace.drained(pace.pieceBytes, event);
            assert.ok(Number.isInteger(pace.pieceBytes), `${pace.pieceBytes} bytes`);
            assert.ok(pace.pieceBytes >= Math.min(first, Math.floor(max / 2)));
            assert.ok(pace.pieceBytes <= max);
          }
        },
      ),
    );
  });

  it('is eager until a write is not drained at once, and after a restart no more', () => {
    const slow = paceAfter([AT_ONCE_MS, MUCH_TOO_LONG_MS, AT_ONCE_MS]);
    const restarted = paceAfter([AT_ONCE_MS]);
    restarted.restart();
    const isEager = [paceAfter([]), paceAfter([AT_ONCE_MS, AT_ONCE_MS]), slow, restarted].map(
      (pace) => pace.isEager,
    );
    assert.deepEqual(isEager, [true, true, false, false]);
  });

  it('starts with half a slab at most, so that it can grow', () => {
    assert.equal(new Pace(5000, 1000).pieceBytes, 500);
  });
});
