import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jainFairness, median, percentile } from '../../bench/harness/statistics.ts';

test('the median of an odd count is the middle value', () => {
  assert.equal(median([9, 1, 5]), 5);
});

test('the median of an even count is the mean of the two middle values', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('nothing has no median', () => {
  assert.ok(Number.isNaN(median([])));
});

test('a percentile is interpolated between its neighbours', () => {
  const values = [40, 10, 30, 20, 50];
  assert.equal(percentile(values, 0), 10);
  assert.equal(percentile(values, 100), 50);
  assert.equal(percentile(values, 90), 46);
});

test('a percentile leaves its input in order', () => {
  const values = [3, 1, 2];
  percentile(values, 50);
  assert.deepEqual(values, [3, 1, 2]);
});

test('equal shares are perfectly fair', () => {
  assert.equal(jainFairness([7, 7, 7, 7]), 1);
});

test('one stream that gets everything makes the index 1/n', () => {
  assert.equal(jainFairness([8, 0, 0, 0]), 0.25);
});
