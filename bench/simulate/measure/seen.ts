/** What a server does while something is done to it, in figures of its process. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../../harness/contender.ts';
import { countDescriptors, readCpuSeconds, readLoopSeconds, readRssBytes } from '../../harness/proc.ts';
import type { Cost } from '../constants.ts';

/** Until a server that has started, or was asked something, has come to rest. */
const SETTLE_MS = 3000;

export interface Held {
  readonly rssBytes: number;
  readonly descriptors: number;
}

/** What it holds at rest. */
export async function heldBy({ pid }: Server): Promise<Held> {
  await sleep(SETTLE_MS);
  return { rssBytes: readRssBytes(pid), descriptors: countDescriptors(pid) };
}

/** The CPU time that `work` costs the server. */
export async function costOf({ pid }: Server, work: () => Promise<unknown>): Promise<Cost> {
  const before = { loopSec: readLoopSeconds(pid), cpuSec: readCpuSeconds(pid) };
  await work();
  return { loopSec: readLoopSeconds(pid) - before.loopSec, cpuSec: readCpuSeconds(pid) - before.cpuSec };
}

/** Each of `count`. */
export function divided({ loopSec, cpuSec }: Cost, count: number): Cost {
  return { loopSec: loopSec / count, cpuSec: cpuSec / count };
}

/** What is above `base`; not below 0, which figures in steps of 10 ms may say. */
export function above(cost: Cost, base: Cost): Cost {
  return {
    loopSec: Math.max(0, cost.loopSec - base.loopSec),
    cpuSec: Math.max(0, cost.cpuSec - base.cpuSec),
  };
}
