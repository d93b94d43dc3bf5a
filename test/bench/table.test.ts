import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatFigure, formatTable } from '../../bench/harness/table.ts';

test('columns are as wide as their widest cell, the first aligned left, the others right', () => {
  const table = formatTable(
    ['', 'MiB/s'],
    [
      ['sluice', '2000'],
      ['stock tuned', '9'],
    ],
  );
  assert.equal(
    table,
    ['             MiB/s', '───────────  ─────', 'sluice        2000', 'stock tuned      9'].join('\n'),
  );
});

test('a row that is too short ends in empty cells', () => {
  assert.equal(
    formatTable(['a', 'b'], [['x']])
      .split('\n')
      .at(-1),
    'x',
  );
});

test('figures have three significant figures and no exponent', () => {
  assert.deepEqual([1994.4, 12.34, 0.476, 0].map(formatFigure), ['1994', '12.3', '0.48', '0.00']);
});

test('a figure that is not there is a dash', () => {
  assert.equal(formatFigure(undefined), '-');
  assert.equal(formatFigure(Number.NaN), '-');
});
