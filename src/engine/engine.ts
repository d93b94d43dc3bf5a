/**
 * The engine: slabs, threads, turns and transfers put together. It knows no
 * gRPC and no paths.
 *
 * Memory: slabs.count × (slab + header room), for each transfer at most one
 * heap copy of `firstMessageBytes` and its headers, for each upload pipeline at most one
 * chunk on the heap.
 */
import { TransferError } from '../base/errors.ts';
import { MAX_MESSAGES_PER_SLAB } from '../base/limits.ts';
import type { Logger } from '../base/logger.ts';
import type { ByteSink } from '../storage/byte-source.ts';
import type { Outlet } from './download/outlet.ts';
import { RangePipeline, type RangeRequest } from './download/range-pipeline.ts';
import { Scheduler } from './jobs/scheduler.ts';
import { WorkerPool } from './jobs/worker-pool.ts';
import { SlabPolicy } from './slabs/slab-policy.ts';
import { type Lease, type Ledger, SlabPool } from './slabs/slab-pool.ts';
import { type UploadListener, UploadPipeline } from './upload/upload-pipeline.ts';

export interface EngineOptions {
  threads: number;
  niceness: number;
  slabBytes: number;
  slabCount: number;
  jobsInFlight: number;
  firstMessageBytes: number;
  gzipLevel: number;
  maxGzipLevel: number;
  logger: Logger;
}

export interface EngineStats {
  transfers: number;
  uploads: number;
  jobsOutstanding: number;
  jobsWaiting: number;
  slabs: Ledger;
}

/** A job longer than this delays others more than its posting costs. */
const TARGET_JOB_MS = 5;

/**
 * Jobs shorter than this are reads from the page cache. With several streams
 * one thread then keeps up with the event loop, and a second only takes its
 * processor away (bench many-streams, 64 streams: a tenth of the rate, a
 * seventh of the CPU). Longer jobs wait for a disk or compress.
 */
const SHORT_JOB_MS = 1;

/** Reads that take longer wait for a disk or another machine: it is worth having several of them under way early. */
const SLOW_READ_MS = 10;

/** A peer that has not drained a write for this long gets no slabs ahead of it when others want them. */
const HESITATION_MS = 100;

/** One that has not for this long has its slabs taken back in any case. */
const IDLE_MS = 1000;

/** How old the count of moving streams may get. */
const COUNT_MS = 50;

/** How long a stream that wants a slab waits before it looks again. */
const RETRY_MS = 10;

export class Engine {
  readonly options: EngineOptions;
  readonly slabs: SlabPool;
  readonly workers: WorkerPool;
  readonly policy: SlabPolicy;
  readonly #maxOutstanding: number;
  readonly #scheduler: Scheduler;
  readonly #transfers = new Set<RangePipeline>();
  readonly #uploads = new Set<UploadPipeline>();
  /** Uploads that wait for a slab, in the order in which they began to. */
  readonly #wantRoom: UploadPipeline[] = [];
  /** Of the last jobs, in the worker. */
  #meanJobMs = SHORT_JOB_MS;
  #meanReadMs = 0;
  #watch: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;
  #reclaimedAtMs = 0;
  #moving = 0;
  #countedAtMs = Number.NEGATIVE_INFINITY;
  #isDispatching = false;
  #grantsSoon = false;
  #isGranting = false;

  constructor(options: EngineOptions) {
    this.options = options;
    this.slabs = new SlabPool(options.slabBytes, options.slabCount);
    this.workers = new WorkerPool({ ...options, slabs: this.slabs });
    this.#maxOutstanding = options.threads + 1;
    this.policy = new SlabPolicy(options.slabCount, this.#maxOutstanding);
    this.#scheduler = new Scheduler(this.#maxOutstanding, options.slabBytes);
  }

  /** Throws INTERNAL when the threads do not start. */
  start(): Promise<void> {
    return this.workers.start();
  }

  /** Ends every transfer with UNAVAILABLE, then the threads. */
  async stop(): Promise<void> {
    for (const transfer of this.#transfers) {
      transfer.fail(new TransferError('UNAVAILABLE', 'the server is stopping; resume'));
    }
    for (const pipeline of this.#uploads) {
      pipeline.fail(new TransferError('UNAVAILABLE', 'the server is stopping; resume'));
    }
    if (this.#watch !== null) clearInterval(this.#watch);
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.workers.stop();
  }

  /** Prepares to send a range; its `run` starts it. */
  serveRange(request: RangeRequest, outlet: Outlet): RangePipeline {
    const transfer = new RangePipeline(this, request, outlet);
    this.#transfers.add(transfer);
    this.#watch ??= this.#startWatch();
    return transfer;
  }

  /** Prepares to receive into `sink`, which stays open until the pipeline is closed. */
  receiveUpload(sink: ByteSink, listener: UploadListener): UploadPipeline {
    const pipeline = new UploadPipeline(this, sink, listener);
    this.#uploads.add(pipeline);
    this.#watch ??= this.#startWatch();
    return pipeline;
  }

  stats(): EngineStats {
    return {
      transfers: this.#transfers.size,
      uploads: this.#uploads.size,
      jobsOutstanding: this.#scheduler.outstanding,
      jobsWaiting: this.#scheduler.waiting,
      slabs: this.slabs.ledger(),
    };
  }

  /** The most raw bytes one job should cover, at what a worker codes a millisecond. */
  jobBytes(bytesPerMs: number, chunkBytes: number): number {
    const messages = Math.min(MAX_MESSAGES_PER_SLAB * chunkBytes, this.options.slabBytes);
    return Math.min(messages, Math.max(chunkBytes, Math.floor(bytesPerMs * TARGET_JOB_MS)));
  }

  /** The workers that one of the streams that move may count on: a fair share, at most as many as its jobs. */
  workersForOne(): number {
    const { jobsInFlight, threads } = this.options;
    return Math.min(jobsInFlight, threads / this.#movingStreams(performance.now()));
  }

  /** Streams whose peers do not hesitate; looked at now and then. */
  #movingStreams(nowMs: number): number {
    if (nowMs - this.#countedAtMs > COUNT_MS) {
      this.#countedAtMs = nowMs;
      this.#moving = this.#uploads.size;
      for (const transfer of this.#transfers) {
        if (transfer.waitedMs(nowMs) < HESITATION_MS) this.#moving += 1;
      }
    }
    return Math.max(1, this.#moving);
  }

  // What the pipelines tell the engine.

  want(item: RangePipeline | UploadPipeline): void {
    this.#scheduler.add(item);
    this.dispatch();
  }

  forget(transfer: RangePipeline): void {
    this.#transfers.delete(transfer);
    this.#scheduler.remove(transfer);
    this.#stopWatchIfIdle();
    this.#grantSoon();
  }

  forgetUpload(pipeline: UploadPipeline): void {
    this.#uploads.delete(pipeline);
    this.#scheduler.remove(pipeline);
    const at = this.#wantRoom.indexOf(pipeline);
    if (at >= 0) this.#wantRoom.splice(at, 1);
    this.#stopWatchIfIdle();
  }

  /** A slab to receive into; undefined when there is none now: the pipeline is told when there is. */
  leaseForUpload(pipeline: UploadPipeline): Lease | undefined {
    // Who is at work asks again at once and would always be before those that wait.
    const isInTurn = this.#isGranting || this.#wantRoom.length === 0;
    const lease = isInTurn && this.#maySlabReceive ? this.slabs.lease() : undefined;
    if (lease !== undefined) {
      this.policy.tookToReceive();
    } else if (!this.#wantRoom.includes(pipeline)) {
      this.#wantRoom.push(pipeline);
      this.#retryLater();
    }
    return lease;
  }

  returnedFromUpload(): void {
    this.policy.returnedFromReceiving(performance.now());
    this.#grantSoon();
  }

  jobEnded(): void {
    this.#scheduler.jobEnded();
  }

  /** Learns how long jobs take, with the load the machine has now. */
  observeJob(workMs: number): void {
    this.#meanJobMs += (workMs - this.#meanJobMs) / 16;
    const streams = this.#transfers.size + this.#uploads.size;
    const oneKeepsUp = this.#meanJobMs < SHORT_JOB_MS && streams > this.options.threads;
    this.#scheduler.limitTo(oneKeepsUp ? 1 : this.#maxOutstanding);
  }

  /** Learns how long the store takes for the reads of one job. */
  observeRead(readMs: number): void {
    this.#meanReadMs += (readMs - this.#meanReadMs) / 16;
  }

  get isStoreSlow(): boolean {
    return this.#meanReadMs > SLOW_READ_MS;
  }

  dispatch(): void {
    // Slabs that came back go to uploads first; jobs are posted behind that.
    if (this.#wantRoom.length > 0 && this.#maySlabReceive) this.#grantSoon();
    else this.#dispatchJobs();
  }

  #dispatchJobs(): void {
    // From within the start of a job: the round that runs sees what was added.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      if (!this.#scheduler.dispatch()) this.#retryLater();
    } finally {
      this.#isDispatching = false;
    }
  }

  /** Takes slabs back from streams whose peer hesitates. */
  reclaim(nowMs: number): void {
    if (nowMs - this.#reclaimedAtMs < RETRY_MS) return;
    this.#reclaimedAtMs = nowMs;
    for (const transfer of this.#transfers) {
      if (transfer.waitedMs(nowMs) > HESITATION_MS) transfer.giveBack();
    }
    for (const pipeline of this.#uploads) pipeline.evictSlow(nowMs, HESITATION_MS);
  }

  /** Whoever waits for a slab is looked after again, and those who only hold one lose it. */
  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      if (this.#wantRoom.length > 0) {
        this.reclaim(performance.now());
        this.#retryLater();
      }
      this.dispatch();
    }, RETRY_MS);
  }

  get #maySlabReceive(): boolean {
    return this.slabs.freeCount > 0 && this.policy.mayReceive(this.#transfers.size === 0);
  }

  /** Later, because a stream that is told of room takes it at once, and may be in the middle of a chunk now. */
  #grantSoon(): void {
    if (this.#grantsSoon || this.#wantRoom.length === 0) return;
    this.#grantsSoon = true;
    queueMicrotask(() => {
      this.#grantsSoon = false;
      this.#grantRoom();
      this.#dispatchJobs();
    });
  }

  /** Uploads may have at most half of the slabs while somebody downloads. */
  #grantRoom(): void {
    // Who is told and still gets none, or wants none, waits behind the others for the next time.
    for (let waiting = this.#wantRoom.length; waiting > 0 && this.#maySlabReceive; waiting--) {
      this.#isGranting = true;
      this.#wantRoom.shift()?.slabIsFree();
      this.#isGranting = false;
    }
  }

  #stopWatchIfIdle(): void {
    if (this.#transfers.size + this.#uploads.size > 0 || this.#watch === null) return;
    clearInterval(this.#watch);
    this.#watch = null;
  }

  #startWatch(): NodeJS.Timeout {
    return setInterval(() => this.#takeBackIdle(performance.now()), IDLE_MS / 2).unref();
  }

  #takeBackIdle(nowMs: number): void {
    for (const transfer of this.#transfers) {
      if (transfer.waitedMs(nowMs) > IDLE_MS) transfer.giveBack();
    }
    for (const pipeline of this.#uploads) pipeline.evictSlow(nowMs, IDLE_MS);
  }
}
