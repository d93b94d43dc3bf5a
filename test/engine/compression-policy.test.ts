import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MIB } from '../../src/base/units.ts';
import { CompressionPolicy } from '../../src/engine/compression-policy.ts';
import type { FilledRun } from '../../src/engine/job.ts';

const LEVEL = 3;

function runOf(incompressible: boolean): FilledRun {
  return { kind: 'filled', runBytes: MIB, rawBytes: MIB, crc32: 0, incompressible, workMs: 1 };
}

const SMALLER = runOf(false);
const NO_SMALLER = runOf(true);

/** Goes through a file of incompressible bytes; the lengths of the ranges that are left alone. */
function pausesIn(fileBytes: number, policy: CompressionPolicy): number[] {
  const pauses = [];
  let lastTried = 0;
  for (let offset = 0; offset < fileBytes; offset += MIB) {
    if (policy.levelAt(offset) === 0) continue;
    if (offset > lastTried) pauses.push(offset - lastTried);
    lastTried = offset + MIB;
    policy.observe(NO_SMALLER, lastTried);
  }
  return pauses;
}

describe('the compression policy', () => {
  it('of never compresses nothing', () => {
    const policy = new CompressionPolicy('never', LEVEL);
    assert.equal(policy.levelAt(0), 0);
    assert.equal(policy.mustProbe, false);
  });

  it('of auto starts with a probe and compresses without one while it pays', () => {
    const policy = new CompressionPolicy('auto', LEVEL);
    assert.equal(policy.levelAt(0), LEVEL);
    assert.ok(policy.mustProbe);
    for (let offset = MIB; offset < 100 * MIB; offset += MIB) {
      policy.observe(SMALLER, offset);
      assert.equal(policy.levelAt(offset), LEVEL);
      assert.equal(policy.mustProbe, false);
    }
  });

  it('of auto leaves the next bytes alone once a job does not get smaller, then probes again', () => {
    const policy = new CompressionPolicy('auto', LEVEL);
    policy.observe(NO_SMALLER, MIB);
    assert.equal(policy.levelAt(MIB), 0);
    const [pause] = pausesIn(1024 * MIB, policy);
    assert.ok(pause !== undefined && pause > 0);
    assert.ok(policy.mustProbe);
  });

  it('of auto waits twice as long after each vain probe, up to a limit', () => {
    const pauses = pausesIn(8 * 1024 * MIB, new CompressionPolicy('auto', LEVEL));
    const longest = Math.max(...pauses);
    assert.ok(longest > (pauses[0] as number));
    for (const [i, pause] of pauses.slice(1).entries()) {
      assert.equal(pause, Math.min((pauses[i] as number) * 2, longest));
    }
    assert.equal(pauses.at(-1), longest);
    assert.equal(pauses.at(-2), longest);
  });

  it('of auto compresses again, and pauses shortly again, once a probe has paid', () => {
    const policy = new CompressionPolicy('auto', LEVEL);
    const pauses = pausesIn(512 * MIB, policy);
    let offset = 1024 * MIB;
    while (policy.levelAt(offset) === 0) offset += MIB;
    policy.observe(SMALLER, offset);
    assert.equal(policy.levelAt(offset), LEVEL);
    assert.equal(policy.mustProbe, false);
    policy.observe(NO_SMALLER, offset);
    assert.equal(policy.levelAt(offset + (pauses[0] as number) - 1), 0);
    assert.equal(policy.levelAt(offset + (pauses[0] as number)), LEVEL);
  });

  it('of always tries every job, without a probe, whatever the last ones gained', () => {
    const policy = new CompressionPolicy('always', LEVEL);
    fc.assert(
      fc.property(fc.array(fc.boolean()), (outcomes) => {
        for (const [i, incompressible] of outcomes.entries()) {
          policy.observe(runOf(incompressible), i * MIB);
          assert.equal(policy.levelAt(i * MIB), LEVEL);
          assert.equal(policy.mustProbe, false);
        }
      }),
    );
  });

  it('never shortens a pause for a job that ended earlier in the file', () => {
    const policy = new CompressionPolicy('auto', LEVEL);
    policy.observe(NO_SMALLER, 100 * MIB);
    let resume = 100 * MIB;
    while (policy.levelAt(resume) === 0) resume += MIB;
    policy.observe(NO_SMALLER, MIB);
    assert.equal(policy.levelAt(resume - MIB), 0);
  });
});
