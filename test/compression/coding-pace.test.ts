/** What workers' times promise, before and after it was seen what comes of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codingsFor } from '../../src/base/coding.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { CodingArm } from '../../src/compression/coding-arm.ts';
import { CodingPace } from '../../src/compression/coding-pace.ts';

const BYTES_PER_MS = 100 * KIB;

function measured(): { arm: CodingArm; pace: CodingPace } {
  const [arm] = codingsFor(['gzip'], 1).map((coding) => new CodingArm(coding));
  assert.ok(arm !== undefined);
  const pace = new CodingPace();
  for (let job = 0; job < 8; job += 1) pace.learn(arm, [], MIB, MIB / 4, MIB / BYTES_PER_MS, 1000);
  return { arm, pace };
}

describe('what workers promise', () => {
  it('counts for three quarters until it was seen, and as a whole some seconds later', () => {
    const { arm, pace } = measured();
    const before = pace.estimate(arm, 2, 1000) / (2 * BYTES_PER_MS);
    assert.ok(Math.abs(before - 0.75) < 0.001, `${before}`);
    pace.learn(arm, [], MIB, MIB / 4, MIB / BYTES_PER_MS, 7000);
    const later = pace.estimate(arm, 2, 7000) / (2 * BYTES_PER_MS);
    assert.ok(Math.abs(later - 1) < 0.001, `${later}`);
  });

  it('counts as far as the ends achieved it, once that was seen', () => {
    const { arm, pace } = measured();
    pace.achieved(arm, 2 * BYTES_PER_MS * 0.4, 2, false, 1000);
    const seen = pace.estimate(arm, 2, 1000) / (2 * BYTES_PER_MS);
    assert.ok(Math.abs(seen - 0.4) < 0.001, `${seen}`);
  });
});
