import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Comparison, measuredOf, type Round, winnerOf } from '../../../src/cli/tune/comparison.ts';
import { workloadsOf } from '../../../src/cli/tune/workload.ts';

const BASE = {};
const [ONE, OTHER] = [{ 'slab.count': 32 }, { 'slab.count': 128 }];

function compared(rounds: readonly Round[], isComplete = true): Comparison {
  return {
    key: 'slab.count',
    workloads: workloadsOf('slab.count', 16),
    measured: measuredOf([BASE, ONE, OTHER], rounds),
    skipped: [],
    rounds: rounds.length,
    isComplete,
  };
}

function fiveOf(round: Round): Round[] {
  return Array.from({ length: 5 }, () => round);
}

test('the fastest of those that are clearly faster wins', () => {
  const comparison = compared(
    fiveOf([
      [100, 100],
      [110, 110],
      [120, 120],
    ]),
  );
  assert.deepEqual(winnerOf(comparison)?.candidate, OTHER);
  assert.deepEqual(
    comparison.measured.map((each) => each.verdict),
    ['base', 'faster', 'faster'],
  );
});

test('noise that hits a whole round hits no gain', () => {
  const rounds = [1, 0.2, 1, 0.5, 3].map(
    (speed): Round =>
      [
        [100, 100],
        [110, 110],
        [90, 90],
      ].map((rates) => rates.map((rate) => rate * speed)),
  );
  const { measured } = compared(rounds);
  assert.ok(Math.abs((measured[1]?.gain?.low ?? 0) - 1.1) < 1e-9);
  assert.deepEqual(
    measured.map((each) => each.verdict),
    ['base', 'faster', 'slower'],
  );
});

test('what is faster in one load and clearly slower in the other does not win', () => {
  const comparison = compared(
    fiveOf([
      [100, 100],
      [150, 90],
      [100, 100],
    ]),
  );
  assert.equal(comparison.measured[1]?.verdict, 'mixed');
  assert.equal(winnerOf(comparison), undefined);
});

test('one round that shows no gain is enough for none', () => {
  const fast: Round = [
    [100, 100],
    [120, 120],
    [100, 100],
  ];
  const even: Round = [
    [100, 100],
    [100, 100],
    [100, 100],
  ];
  assert.equal(winnerOf(compared([fast, fast, even, fast, fast])), undefined);
});

test('nobody wins what was interrupted', () => {
  const comparison = compared(
    fiveOf([
      [100, 100],
      [120, 120],
      [100, 100],
    ]).slice(0, 2),
    false,
  );
  assert.equal(winnerOf(comparison), undefined);
});

test('before the first round there are no figures', () => {
  assert.ok(compared([], false).measured.every((each) => each.rates.length === 0));
});
