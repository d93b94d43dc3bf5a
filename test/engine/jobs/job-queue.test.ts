import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { RateLimit } from '../../../src/base/rate-limit.ts';
import type { ActiveStreams } from '../../../src/engine/active-streams.ts';
import { JobQueue, maxOutstandingJobs } from '../../../src/engine/jobs/job-queue.ts';
import type { Schedulable } from '../../../src/engine/jobs/share.ts';
import { Share } from '../../../src/engine/jobs/share.ts';
import type { WorkerPool } from '../../../src/engine/jobs/worker-pool.ts';
import type { SlabBroker } from '../../../src/engine/slabs/slab-broker.ts';
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

it('with many streams one thread reads, unless a rate holds most of them back', () => {
  const jobsAtOnce = (delayed: number): number => {
    const streams = { count: 8 } as ActiveStreams;
    const slabs = { pool: { slabBytes: 1 }, servesUploadsFirst: () => false } as unknown as SlabBroker;
    const queue = new JobQueue({ threads: 2 } as WorkerPool, slabs, streams);
    const late = new Share(1, [new RateLimit(1)]);
    late.charge(1000, performance.now());
    let posted = 0;
    const item = (share: Share): Schedulable => ({
      deficitBytes: 0,
      isQueued: false,
      share,
      planJob: () => 1,
      startJob: () => {
        posted += 1;
        return 'posted';
      },
    });
    for (let index = 0; index < delayed; index++) queue.want(item(late));
    const free = new Share();
    queue.observeJob(free, 0.1);
    queue.want(item(free));
    queue.stop();
    return posted;
  };
  assert.equal(jobsAtOnce(0), 1);
  assert.equal(jobsAtOnce(6), maxOutstandingJobs(2));
});
