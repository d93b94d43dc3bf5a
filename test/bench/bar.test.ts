import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atLeast, atMost, excessOf, figureOf, passes, ratio, ratioOf } from '../../bench/harness/bar.ts';

const medians = new Map([
  ['ours', { rateMibPerSec: 1500, soloRateMibPerSec: 2000, serverPeakRssMib: 90 }],
  ['theirs', { rateMibPerSec: 1000, serverPeakRssMib: 120 }],
]);

test('a ratio of two cases is compared with its bound, which passes itself', () => {
  const figure = ratioOf('rateMibPerSec', 'ours', 'theirs');
  assert.ok(passes(atLeast(1.5, figure), medians));
  assert.ok(!passes(atLeast(1.6, figure), medians));
});

test('a ratio of two metrics names both', () => {
  const figure = ratio(figureOf('rateMibPerSec', 'ours'), figureOf('soloRateMibPerSec', 'ours'));
  assert.equal(figure.evaluate(medians), 0.75);
  assert.equal(figure.name, 'MiB/s of ours ÷ MiB/s alone of ours');
});

test('an excess has a sign', () => {
  const [one, other] = [
    excessOf('serverPeakRssMib', 'ours', 'theirs'),
    excessOf('serverPeakRssMib', 'theirs', 'ours'),
  ];
  assert.equal(one.evaluate(medians) + other.evaluate(medians), 0);
  assert.equal(Math.abs(one.evaluate(medians)), 30);
});

test('a case without the figure passes no bar', () => {
  const figure = figureOf('p99Ms', 'theirs');
  assert.ok(!passes(atMost(1e9, figure), medians));
  assert.ok(!passes(atLeast(0, figure), medians));
});
