/** How many connections a transfer gets, over links whose rate with so many connections is known. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GIB, MIB } from '../../../src/base/units.ts';
import { LaneGrowth } from '../../../src/client/lanes/growth.ts';

const STEP_MS = 100;

/** Sends `bytes` at `rateOf(lanes)` bytes a second; how many lanes there were after each second, and how long it took. */
function send(bytes: number, most: number, rateOf: (lanes: number, atMs: number) => number, first = 1) {
  const growth = new LaneGrowth(first, most, 0);
  const seen: number[] = [];
  let lanes = first;
  let sentBytes = 0;
  let nowMs = 0;
  for (; sentBytes < bytes && nowMs < 1_000_000; nowMs += STEP_MS) {
    const next = growth.next({ movedBytes: sentBytes, leftBytes: bytes - sentBytes }, nowMs);
    if (next === 'add') lanes += 1;
    if (next === 'retire') lanes -= 1;
    assert.ok(lanes >= first && lanes <= most, `${lanes} lanes`);
    if (nowMs % 1000 === 0) seen.push(lanes);
    sentBytes += (rateOf(lanes, nowMs) * STEP_MS) / 1000;
  }
  return { seen, seconds: nowMs / 1000 };
}

describe('the number of connections of a transfer', () => {
  it('grows while each brings its share', () => {
    const { seen, seconds } = send(10 * GIB, 4, (lanes) => lanes * 25 * MIB);
    assert.equal(seen.at(-1), 4);
    assert.ok(seconds <= (1.1 * (10 * GIB)) / (100 * MIB), `${seconds} s`);
  });

  it('stops where another one brings nothing', () => {
    const { seen } = send(2 * GIB, 4, (lanes) => Math.min(lanes, 2) * 25 * MIB);
    assert.ok(seen.filter((lanes) => lanes === 2).length >= 0.7 * seen.length, seen.join(' '));
    assert.equal(Math.max(...seen), 3);
  });

  it('loses little to probes where one is the best', () => {
    const rate = 400 * MIB;
    const { seconds } = send(100 * GIB, 4, (lanes) => (lanes === 1 ? rate : 0.8 * rate));
    assert.ok(seconds <= 1.02 * ((100 * GIB) / rate), `${seconds} s`);
  });

  it('stays one where the end is near', () => {
    const { seen } = send(GIB, 4, (lanes) => lanes * 300 * MIB);
    assert.equal(Math.max(...seen), 1);
  });

  it('follows a link that gives each a share only later', () => {
    const { seen } = send(20 * GIB, 4, (lanes, atMs) => (atMs < 60_000 ? 50 : lanes * 25) * MIB);
    assert.equal(seen.at(-1), 4);
  });

  it('is not raised while nothing moves', () => {
    const { seen } = send(GIB, 4, (_, atMs) => (atMs < 20_000 ? 0 : 500 * MIB));
    assert.equal(Math.max(...seen.slice(0, 20)), 1);
  });

  it('does not fall below what it began with', () => {
    const { seen } = send(10 * GIB, 4, () => 100 * MIB, 2);
    assert.deepEqual([Math.min(...seen), seen.at(-1), Math.max(...seen)], [2, 2, 3]);
  });

  it('is one where no more are allowed', () => {
    const { seen } = send(GIB, 1, (lanes) => lanes * MIB);
    assert.equal(Math.max(...seen), 1);
  });
});
