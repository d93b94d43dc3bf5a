import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import type { Schedulable } from '../../../src/engine/jobs/scheduler.ts';
import { startEngine } from '../../support/test-engine.ts';
import { until } from '../../support/until.ts';

const engine = await startEngine({ after });

it('the queue wakes by itself for a job that may not start before a time', async () => {
  const startedMs: number[] = [];
  const item: Schedulable & { notBeforeMs: number } = {
    deficitBytes: 0,
    isQueued: false,
    notBeforeMs: performance.now() + 40,
    planJob: () => (startedMs.length < 3 ? 1 : 0),
    startJob: () => {
      startedMs.push(performance.now());
      item.notBeforeMs = performance.now() + 20;
      return 'reading';
    },
  };
  const firstMs = item.notBeforeMs;
  engine.jobs.want(item);
  assert.equal(startedMs.length, 0);
  await until('three jobs', () => startedMs.length === 3);
  for (const [index, ms] of startedMs.entries()) assert.ok(ms >= firstMs + 20 * index);
  await until('nobody waiting', () => engine.stats().jobsWaiting === 0);
});
