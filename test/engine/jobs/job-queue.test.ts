import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { RateLimit } from '../../../src/base/rate-limit.ts';
import type { Schedulable } from '../../../src/engine/jobs/share.ts';
import { Share } from '../../../src/engine/jobs/share.ts';
import { startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';

const engine = await startEngine({ after });

it('the queue wakes by itself for an owner that was ahead of its rate', async () => {
  const startedMs: number[] = [];
  const share = new Share(1, [new RateLimit(1000)]);
  const item: Schedulable = {
    deficitBytes: 0,
    isQueued: false,
    share,
    planJob: () => (startedMs.length < 3 ? 1 : 0),
    startJob: () => {
      startedMs.push(performance.now());
      share.charge(20, performance.now());
      return 'reading';
    },
  };
  share.charge(140, performance.now());
  const firstMs = share.notBeforeMs;
  engine.jobs.want(item);
  assert.equal(startedMs.length, 0);
  await until('three jobs', () => startedMs.length === 3);
  for (const [index, ms] of startedMs.entries()) assert.ok(ms >= firstMs + 20 * index);
  await until('nobody waiting', () => engine.stats().jobsWaiting === 0);
});
