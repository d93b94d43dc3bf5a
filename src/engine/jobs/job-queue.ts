/**
 * The one queue of jobs for the threads: whose turn it is, how many may be
 * outstanding, and the measured times of workers and store.
 */
import type { ActiveStreams } from '../active-streams.ts';
import type { SlabBroker } from '../slabs/slab-broker.ts';
import type { Drained, DrainJob, FillJob, FillResult, PackAnswer, PackJob } from './job.ts';
import { Scheduler } from './scheduler.ts';
import type { Schedulable, Share } from './share.ts';
import type { WorkerPool } from './worker-pool.ts';

/**
 * Jobs shorter than this are reads from the page cache. With several streams one
 * thread then keeps up with the event loop, and a second only takes its processor
 * away (bench many-streams, 64 streams: a tenth of the rate, a seventh of the CPU).
 * Streams that a rate holds back do not count: they do not fill the gaps between
 * the jobs of others. Longer jobs wait for a disk or compress.
 */
const SHORT_JOB_MS = 1;

/** Slower reads wait for a disk or another machine: several should be under way early. */
const SLOW_READ_MS = 10;

/** The most jobs that are posted and not answered. */
export function maxOutstandingJobs(threads: number): number {
  return threads + 1;
}

export class JobQueue {
  readonly #workers: WorkerPool;
  readonly #slabs: SlabBroker;
  readonly #streams: ActiveStreams;
  readonly #scheduler: Scheduler;
  /** Of the last jobs, in the worker. */
  #meanJobMs = SHORT_JOB_MS;
  #meanReadMs = 0;
  #isDispatching = false;
  #wake: NodeJS.Timeout | null = null;

  constructor(workers: WorkerPool, slabs: SlabBroker, streams: ActiveStreams) {
    this.#workers = workers;
    this.#slabs = slabs;
    this.#streams = streams;
    this.#scheduler = new Scheduler(maxOutstandingJobs(workers.threads), slabs.pool.slabBytes);
    slabs.onAvailable = () => this.dispatch();
  }

  /** Jobs posted and not answered. */
  get outstanding(): number {
    return this.#scheduler.outstanding;
  }

  /** Streams that wait for a turn. */
  get waiting(): number {
    return this.#scheduler.waiting;
  }

  /** The stream may want a job now. */
  want(item: Schedulable): void {
    this.#scheduler.add(item);
    this.dispatch();
  }

  /** The stream wants no more jobs; others may use what it gave back. */
  forget(item: Schedulable): void {
    this.#scheduler.remove(item);
    this.dispatch();
  }

  /** Posts a job whose turn it is. Throws `WorkerDied` only. */
  fill(job: FillJob): Promise<FillResult> {
    return this.#workers.fill(job);
  }

  /** Posts a job whose turn it is. Throws `WorkerDied` only. */
  drain(job: DrainJob): Promise<Drained> {
    return this.#workers.drain(job);
  }

  /** Posts a job whose turn it is. Throws `WorkerDied` only. */
  pack(job: PackJob): Promise<PackAnswer> {
    return this.#workers.pack(job);
  }

  /** A job was answered, whatever the answer. */
  jobEnded(): void {
    this.#scheduler.jobEnded();
  }

  /** Learns how long jobs take, with the load the machine has now. */
  observeJob(share: Share, workMs: number): void {
    this.#scheduler.worked(share, workMs);
    const { threads } = this.#workers;
    this.#meanJobMs += (workMs - this.#meanJobMs) / 16;
    const streams = this.#streams.count - this.#scheduler.delayed;
    const oneKeepsUp = this.#meanJobMs < SHORT_JOB_MS && streams > threads;
    this.#scheduler.limitTo(oneKeepsUp ? 1 : maxOutstandingJobs(threads));
  }

  /** Learns how long the store takes for the reads of one job. */
  observeRead(readMs: number): void {
    this.#meanReadMs += (readMs - this.#meanReadMs) / 16;
  }

  get isStoreSlow(): boolean {
    return this.#meanReadMs > SLOW_READ_MS;
  }

  /** The threads, or the share of one, that each of the streams that move may count on. */
  threadsForOne(nowMs: number): number {
    return this.#workers.threads / this.#streams.movingCount(nowMs);
  }

  dispatch(): void {
    // Called from within the start of a job: the present round sees additions.
    if (this.#slabs.servesUploadsFirst() || this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      if (!this.#scheduler.dispatch()) this.#slabs.lookAgainLater();
    } finally {
      this.#isDispatching = false;
    }
    if (this.#scheduler.delayed > 0) this.#wakeLater();
  }

  stop(): void {
    if (this.#wake !== null) clearTimeout(this.#wake);
  }

  /** Wakes up when the first delayed job is due. */
  #wakeLater(): void {
    if (this.#wake !== null) clearTimeout(this.#wake);
    this.#wake = setTimeout(() => {
      this.#wake = null;
      this.dispatch();
    }, this.#scheduler.msUntilDue());
  }
}
