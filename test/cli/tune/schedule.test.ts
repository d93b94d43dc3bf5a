import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scheduleOf } from '../../../src/cli/tune/schedule.ts';

const COMPARISONS = Array.from({ length: 6 }, () => ({ contenders: 3, workloads: 2 }));

test('what is left of the time after starts and warm-ups goes to the loads', () => {
  const short = scheduleOf({ budgetMs: 100_000, rounds: 5, comparisons: COMPARISONS });
  const long = scheduleOf({ budgetMs: 200_000, rounds: 5, comparisons: COMPARISONS });
  assert.ok(long.loadMs > short.loadMs);
  for (const [{ estimateMs }, budgetMs] of [
    [short, 100_000],
    [long, 200_000],
  ] as const)
    assert.ok(Math.abs(estimateMs - budgetMs) < 200, `${estimateMs}`);
});

test('a budget that is too small is exceeded, and the estimate says by how much', () => {
  const { estimateMs, loadMs } = scheduleOf({ budgetMs: 1, rounds: 5, comparisons: COMPARISONS });
  assert.ok(loadMs >= 100);
  assert.ok(estimateMs > 20_000);
});

test('every part has a length, whatever is asked for', () => {
  const anyOptions = fc.record({
    budgetMs: fc.nat(10_000_000),
    rounds: fc.integer({ min: 1, max: 99 }),
    comparisons: fc.array(
      fc.record({ contenders: fc.integer({ min: 2, max: 3 }), workloads: fc.integer({ min: 1, max: 2 }) }),
      { maxLength: 6 },
    ),
  });
  fc.assert(
    fc.property(anyOptions, (options) => {
      const schedule = scheduleOf(options);
      assert.ok(Object.values(schedule).every((part) => Number.isFinite(part) && part > 0));
      assert.ok(schedule.finalRounds > schedule.rounds);
    }),
  );
});
