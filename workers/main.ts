/** The entry of the pool's threads, for every kind of task. */
import type { PoolAnswer, PoolTask } from '../src/engine/jobs/job.ts';
import { drainSlab } from './drain-slab.ts';
import { fillSlab } from './fill-slab.ts';
import { lookAtEntries } from './look-at-entries.ts';
import { packSlab } from './pack-slab.ts';

export default function run(task: PoolTask): PoolAnswer {
  if (task === 'ping') return 'pong';
  switch (task.kind) {
    case 'fill':
      return fillSlab(task);
    case 'drain':
      return drainSlab(task);
    case 'list':
      return lookAtEntries(task);
    default:
      return packSlab(task);
  }
}
