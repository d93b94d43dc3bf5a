import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colorsFor } from '../../../src/cli/process/output.ts';
import { comparisonLines } from '../../../src/cli/tune/chart.ts';
import { measuredOf, type Round } from '../../../src/cli/tune/comparison.ts';
import { workloadsOf } from '../../../src/cli/tune/workload.ts';

const PLAIN = colorsFor({ isTTY: false });
const TERMINAL_COLUMNS = 80;

function linesOf(rounds: readonly Round[], isComplete = true): string[] {
  return comparisonLines(
    {
      key: 'slab.count',
      workloads: workloadsOf('slab.count', 16),
      measured: measuredOf([{}, { 'slab.count': 32 }, { 'slab.count': 128 }], rounds),
      skipped: [{ value: 1024, why: 'too much' }],
      rounds: rounds.length,
      isComplete,
    },
    PLAIN,
  );
}

test('each value has its rates, its gain, and its spread beside the axis', () => {
  const rounds = [1, 0.99, 1.02, 0.98, 1.01].map(
    (noise): Round => [
      [1000, 2000],
      [940 * noise, 1880 * noise],
      [1050 * noise, 2100 * noise],
    ],
  );
  assert.deepEqual(linesOf(rounds), [
    'slab.count, medians of 5 rounds',
    '  MiB/s      1 stream  16 streams  gain %          spread  −10 %     0     +10 %',
    '  64             1000        2000       –                            │',
    '  32              940        1880    −6.0     −7.9 … −4.1    ━━●━━   │',
    '▸ 128            1050        2100    +5.0     +2.9 … +7.1            │  ━━●━━',
    '  1024 cannot be: too much',
  ]);
});

test('what lies beyond the axis is cut off, and every line fits a terminal', () => {
  const rounds = [1, 2, 0.3, 1, 1].map(
    (noise): Round => [
      [1000, 2000],
      [10 * noise, 2 * noise],
      [9050 * noise, 92100 * noise],
    ],
  );
  const lines = linesOf(rounds);
  assert.ok(
    lines.every((line) => [...line].length <= TERMINAL_COLUMNS),
    lines.join('\n'),
  );
  assert.match(String(lines[3]), /◂/);
  assert.match(String(lines[4]), /▸$/);
});

test('what was interrupted says so', () => {
  const round: Round = [
    [1, 1],
    [1, 1],
    [1, 1],
  ];
  assert.match(String(linesOf([round], false)[0]), /interrupted after 1 round$/);
});
