import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IDENTITY } from '../../src/base/coding.ts';
import { CodingArm } from '../../src/compression/coding-arm.ts';
import { CodingTrials } from '../../src/compression/coding-trials.ts';

/** A stream that begins at 0 and in which a trial of `costMs` failed at `failedAtMs`. */
function trialsAfter(costMs: number, failedAtMs: number): CodingTrials {
  const trials = new CodingTrials();
  trials.start(0);
  trials.failed(new CodingArm({ ...IDENTITY, speed: 1, size: 1 }), costMs, 1, failedAtMs);
  return trials;
}

describe('what trials may cost', () => {
  it('is 60 ms and 3 % of the time', () => {
    const trials = trialsAfter(150, 2000);
    assert.equal(trials.mayBegin(0, 2990), false);
    assert.equal(trials.mayBegin(0, 3010), true);
  });

  it('is owed to what failed at the start no longer than for three times that age, or a second', () => {
    const trials = trialsAfter(500, 400);
    assert.equal(trials.mayBegin(0, 1390), false);
    assert.equal(trials.mayBegin(0, 1410), true);
    const later = trialsAfter(1000, 2000);
    assert.equal(later.mayBegin(0, 5990), false);
    assert.equal(later.mayBegin(0, 6010), true);
  });

  it('adds up while it is remembered', () => {
    const trials = trialsAfter(150, 2000);
    assert.equal(trials.mayBegin(0, 5000), true);
    trials.failed(new CodingArm({ ...IDENTITY, speed: 1, size: 1 }), 150, 1, 3000);
    assert.equal(trials.mayBegin(0, 5000), false);
    assert.equal(trials.mayBegin(0, 8010), true);
  });
});
