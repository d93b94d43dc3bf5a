import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CodingArm } from '../../src/compression/coding-arm.ts';

function failedTrial({ costMs, ageMs }: { costMs: number; ageMs: number }): CodingArm {
  const arm = new CodingArm({ codec: 'identity', level: 0, speed: 1, size: 1 });
  arm.found(40_000, ageMs);
  arm.left(true, costMs, ageMs, ageMs);
  return arm;
}

it('a failed trial of an old stream is trusted at least 33 times as long as it cost', () => {
  const arm = failedTrial({ costMs: 100, ageMs: 10_000 });
  assert.equal(arm.isTrusted(10_000 + 3_300), true);
  assert.equal(arm.isTrusted(10_000 + 3_400), false);
});

it('a failed trial of a stream that has just begun is trusted for a second', () => {
  const arm = failedTrial({ costMs: 137, ageMs: 137 });
  assert.equal(arm.isTrusted(137 + 990), true);
  assert.equal(arm.isTrusted(137 + 1_010), false);
});
