/**
 * Shared by the jobs of pool threads: the slabs, their control words, and yielding
 * to the event loop.
 */
import { threadId, workerData } from 'node:worker_threads';
import type { WorkerSetup } from '../src/engine/jobs/job.ts';
import { cancelWord, JOB_CANCELLED, JOB_CRASH, threadWord } from '../src/engine/jobs/job.ts';
import { lowerPriority } from './priority.ts';

const setup = workerData as WorkerSetup;
const control = new Int32Array(setup.control);

/** All slabs. */
export const memory = new Uint8Array(setup.memory);

/** Where `slab` begins in `memory`. */
export function slabStart(slab: number): number {
  return slab * setup.strideBytes;
}

/** Says which thread works in the slab, until `leaveSlab`. */
export function enterSlab(slab: number): void {
  Atomics.store(control, threadWord(slab), threadId);
}

export function leaveSlab(slab: number): void {
  Atomics.store(control, threadWord(slab), 0);
}

/** Whether nobody wants the result of the job in `slab` any more. */
export function isCancelled(slab: number): boolean {
  const word = Atomics.load(control, cancelWord(slab));
  if (word === JOB_CRASH) process.exit(1);
  return word === JOB_CANCELLED;
}

lowerPriority(setup.niceness);
