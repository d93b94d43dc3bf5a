import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gainOf, isClearlyFaster, isClearlySlower, meanRatio, median } from '../../../src/cli/tune/gain.ts';

const anyRatios = fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 40 });

test('the spread of five rounds is from the smallest ratio to the largest', () => {
  assert.deepEqual(gainOf([1.05, 1.01, 1.2, 1.03, 1.04]), { median: 1.04, low: 1.01, high: 1.2, rounds: 5 });
});

test('with eight rounds one stray ratio at each end does not count', () => {
  const { high, low } = gainOf([0.2, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 7]);
  assert.deepEqual([low, high], [1.01, 1.06]);
});

test('the spread holds the true median in nine of ten tunings at least, from five rounds on', () => {
  for (let rounds = 5; rounds <= 30; rounds += 1) {
    // Ratios 1 … n, so that the ends tell how many were cut off; the median is missed when fewer than that lie on its far side.
    const { low } = gainOf(Array.from({ length: rounds }, (_, index) => index + 1));
    let missed = 0;
    for (let heads = 0, ways = 1; heads < low; heads += 1) {
      missed += (2 * ways) / 2 ** rounds;
      ways = (ways * (rounds - heads)) / (heads + 1);
    }
    assert.ok(missed <= 0.1, `${rounds} rounds miss ${missed}`);
  }
});

test('the median lies in the spread, and the spread in the ratios', () => {
  fc.assert(
    fc.property(anyRatios, (ratios) => {
      const gain = gainOf(ratios);
      assert.ok(gain.low <= gain.median && gain.median <= gain.high);
      assert.ok(ratios.includes(gain.low) && ratios.includes(gain.high));
    }),
  );
});

test('the order of the rounds does not matter', () => {
  fc.assert(
    fc.property(anyRatios, (ratios) => assert.deepEqual(gainOf(ratios.toReversed()), gainOf(ratios))),
  );
});

test('nothing is clearly faster and clearly slower, nor is what is equal either', () => {
  fc.assert(
    fc.property(anyRatios, (ratios) => {
      const gain = gainOf(ratios);
      assert.ok(!(isClearlyFaster(gain) && isClearlySlower(gain)));
    }),
  );
  const equal = gainOf([1, 1, 1, 1, 1]);
  assert.ok(!isClearlyFaster(equal) && !isClearlySlower(equal));
});

test('clearly faster is only what is so at the low end of its spread', () => {
  assert.ok(isClearlyFaster(gainOf([1.02, 1.5, 1.5, 1.5, 1.5])));
  assert.ok(!isClearlyFaster(gainOf([1.01, 1.5, 1.5, 1.5, 1.5])));
});

test('fewer than three rounds make nothing clear', () => {
  assert.ok(!isClearlyFaster(gainOf([3, 3])));
  assert.ok(!isClearlySlower(gainOf([0.3, 0.3])));
  assert.ok(isClearlyFaster(gainOf([3, 3, 3])));
});

test('what is twice as fast in one load and half as fast in another gains nothing', () => {
  assert.ok(Math.abs(meanRatio([2, 0.5]) - 1) < 1e-12);
});

test('the median of an even count is the mean of the two in the middle', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
});
