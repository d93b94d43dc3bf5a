import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../../src/base/async/token-bucket.ts';

test('a token bucket gives its burst at once and then as many as come back', () => {
  const bucket = new TokenBucket(10, 2, 0);
  assert.deepEqual(
    Array.from({ length: 11 }, () => bucket.take(0)),
    [...Array<boolean>(10).fill(true), false],
  );
  assert.equal(bucket.take(400), false);
  assert.equal(bucket.take(900), true);
  assert.equal(bucket.isFull(4000), false);
  assert.equal(bucket.isFull(60_000), true);
});

test('who takes more than there is gets nothing and leaves nothing', () => {
  const bucket = new TokenBucket(10, 1, 0);
  assert.equal(bucket.take(0, 8), true);
  assert.equal(bucket.take(0, 8), false);
  assert.equal(bucket.take(0), false);
});
