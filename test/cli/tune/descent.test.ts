import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GIB, MIB } from '../../../src/base/units.ts';
import {
  type Candidate,
  problemOf,
  TUNED_KEYS,
  type TunedKey,
  valueIn,
} from '../../../src/cli/tune/candidate.ts';
import { measuredOf, type Round } from '../../../src/cli/tune/comparison.ts';
import { type DescentSteps, descend } from '../../../src/cli/tune/descent.ts';

const MEMORY_BYTES = 64 * GIB;

interface Seen {
  best: Candidate;
  comparisons: (readonly Candidate[])[];
}

/** A descent on a machine whose rate is a function of the settings, without noise. */
async function descendOn(
  rateOf: (candidate: Candidate) => number,
  steps: Partial<DescentSteps> = {},
): Promise<Seen> {
  const comparisons: (readonly Candidate[])[] = [];
  const best = await descend(TUNED_KEYS, {
    problemOf: (candidate) => problemOf(candidate, MEMORY_BYTES),
    mayGoOn: () => true,
    onBest: () => {},
    compare: async (key, contenders, skipped) => {
      comparisons.push(contenders);
      const round: Round = contenders.map((candidate) => [rateOf(candidate)]);
      const rounds = Array.from({ length: 5 }, () => round);
      return {
        key,
        workloads: [],
        measured: measuredOf(contenders, rounds),
        skipped,
        rounds: rounds.length,
        isComplete: true,
      };
    },
    ...steps,
  });
  return { best, comparisons };
}

/** The rate falls by a tenth with each halving or doubling away from `peak`. */
function peakAt(key: TunedKey, peak: number): (candidate: Candidate) => number {
  return (candidate) => 1000 * 0.9 ** Math.abs(Math.log2(valueIn(candidate, key) / peak));
}

test('where nothing makes a difference the defaults stay, after one comparison for each setting', async () => {
  const { best, comparisons } = await descendOn(() => 1000);
  assert.deepEqual(best, {});
  assert.equal(comparisons.length, TUNED_KEYS.length);
});

test('a peak far away is climbed to, step by step', async () => {
  assert.deepEqual((await descendOn(peakAt('slab.count', 512))).best, { 'slab.count': 512 });
  assert.deepEqual((await descendOn(peakAt('slab.count', 8))).best, { 'slab.count': 8 });
});

test('a second pass finds what the first one made possible', async () => {
  const { best } = await descendOn(
    (candidate) => peakAt('slab.size', 4 * MIB)(candidate) * peakAt('chunk.size', 4 * MIB)(candidate),
  );
  assert.equal(best['slab.size'], 4 * MIB);
  assert.equal(best['chunk.size'], 4 * MIB);
});

test('each new best is told', async () => {
  const told: number[] = [];
  await descendOn(peakAt('slab.count', 256), {
    onBest: (best) => told.push(valueIn(best, 'slab.count')),
  });
  assert.deepEqual(told, [128, 256]);
});

test('no candidate that cannot be is measured, and the base is always the first', async () => {
  const anyPeaks = fc.record({
    'slab.size': fc.constantFrom(64, 256, 1024, 8192).map((kib) => kib * 1024),
    'slab.count': fc.constantFrom(8, 64, 1024),
    'chunk.size': fc.constantFrom(16, 256, 4096).map((kib) => kib * 1024),
    'stream.jobsInFlight': fc.constantFrom(1, 3, 24),
  });
  await fc.assert(
    fc.asyncProperty(anyPeaks, async (peaks) => {
      const { best, comparisons } = await descendOn((candidate) =>
        Object.entries(peaks).reduce(
          (rate, [key, peak]) => (rate / 1000) * peakAt(key as TunedKey, peak)(candidate),
          1000,
        ),
      );
      for (const contenders of comparisons) {
        assert.ok(contenders.length > 1);
        for (const candidate of contenders) assert.equal(problemOf(candidate, MEMORY_BYTES), undefined);
      }
      assert.equal(problemOf(best, MEMORY_BYTES), undefined);
    }),
  );
});

test('it ends where it may not go on', async () => {
  let left = 2;
  const { comparisons } = await descendOn(() => 1000, {
    mayGoOn: () => {
      left -= 1;
      return left > 0;
    },
  });
  assert.ok(comparisons.length <= 1);
});
