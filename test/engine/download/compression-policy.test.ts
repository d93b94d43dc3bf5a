import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IDENTITY, nameOfCoding } from '../../../src/base/coding.ts';
import { KIB } from '../../../src/base/units.ts';
import { type CompressionMode, CompressionPolicy } from '../../../src/engine/download/compression-policy.ts';
import type { FilledRun } from '../../../src/engine/jobs/job.ts';

const WORKERS = 2;

function policyOf(
  mode: CompressionMode,
  codecs: readonly ('gzip' | 'brotli')[] = ['gzip'],
): CompressionPolicy {
  return new CompressionPolicy({ mode, codecs, gzipLevel: 3, maxGzipLevel: 6 });
}

function runOf(incompressible: boolean): FilledRun {
  return {
    kind: 'filled',
    runBytes: 128 * KIB,
    rawBytes: 512 * KIB,
    crc32: 0,
    incompressible,
    workMs: 2,
    readMs: 0,
  };
}

describe('the compression policy', () => {
  it('of never compresses nothing', () => {
    const policy = policyOf('never');
    assert.deepEqual(policy.next(0, WORKERS), { coding: IDENTITY, probe: false });
    assert.equal(policy.summary(), undefined);
  });

  it('of always compresses every job at the configured level, without a probe, whatever the last ones gained', () => {
    const policy = policyOf('always');
    for (const incompressible of [false, true, true, false]) {
      const choice = policy.next(0, WORKERS);
      assert.deepEqual(choice, { coding: { codec: 'gzip', level: 3 }, probe: false });
      policy.observe(choice.coding, runOf(incompressible), 512 * KIB, 10);
      assert.equal(policy.summary(), undefined);
    }
  });

  it('of auto starts with a probe by the fastest codec the peer has, and compresses without one once it paid', () => {
    for (const [codecs, fastest] of [
      [['gzip'], 'gzip 1'],
      [['gzip', 'brotli'], 'brotli 0'],
    ] as const) {
      const policy = policyOf('auto', codecs);
      const first = policy.next(0, WORKERS);
      assert.equal(first.probe, true);
      assert.equal(nameOfCoding(first.coding), fastest);
      policy.observe(first.coding, runOf(false), 512 * KIB, 10);
      assert.equal(policy.next(10, WORKERS).probe, false);
    }
  });

  it('of auto sends data that got no smaller as it is, and probes some dozens of jobs at once and one a while', () => {
    const policy = policyOf('auto');
    const first = policy.next(0, WORKERS);
    policy.choice?.took(first, 0);
    policy.observe(first.coding, runOf(true), 512 * KIB, 1);
    let offset = 512 * KIB;
    const probesAmong = (jobs: number, nowMs: number) => {
      let probes = 0;
      for (let job = 0; job < jobs; job++) {
        const choice = policy.next(nowMs, WORKERS);
        policy.choice?.took(choice, nowMs);
        offset += 512 * KIB;
        if (choice.probe) policy.observe(choice.coding, runOf(true), offset, nowMs);
        else assert.deepEqual(choice, { coding: IDENTITY, probe: false });
        if (choice.probe) probes += 1;
      }
      return probes;
    };
    // The jobs of a burst may all be the beginning of something else.
    assert.equal(probesAmong(100, 1), 63);
    // The last one is due to the very moment, but for the rounding of sums.
    assert.ok([63, 64].includes(probesAmong(100, 1000)));
    let probes = 0;
    for (let ms = 1001; ms < 2001; ms++) probes += probesAmong(1, ms);
    assert.ok(probes >= 40 && probes <= 60, `${probes} probes in a second`);
  });

  it('of auto has nothing to choose for a peer without codecs', () => {
    assert.deepEqual(policyOf('auto', []).next(0, WORKERS), { coding: IDENTITY, probe: false });
  });

  it('tells what a worker manages, so that jobs are of the right length', () => {
    const policy = policyOf('always');
    const { coding } = policy.next(0, WORKERS);
    for (let job = 0; job < 100; job += 1) policy.observe(coding, runOf(false), 512 * KIB, 10);
    assert.ok(Math.abs(policy.bytesPerMs(coding) - 256 * KIB) < KIB);
    assert.equal(policy.bytesPerMs(IDENTITY), Number.POSITIVE_INFINITY);
  });
});
