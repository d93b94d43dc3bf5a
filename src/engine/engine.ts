/**
 * The engine: wires slabs, threads, scheduler and pipelines. It knows neither
 * gRPC nor paths.
 *
 * Memory: slabs.count × (slab + headroom), for each range at most one heap
 * copy of `firstMessageBytes` and its headers, for each upload at most one
 * chunk on the heap.
 */
import { Counters } from '../base/counters/counters.ts';
import { stopping } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { ByteSink } from '../storage/byte-source.ts';
import { ActiveStreams } from './active-streams.ts';
import type { Outlet } from './download/outlet.ts';
import { PeerPace } from './download/peer-pace.ts';
import { RangePipeline } from './download/range-pipeline.ts';
import type { RangeRequest } from './download/range-request.ts';
import { JobQueue, maxOutstandingJobs } from './jobs/job-queue.ts';
import { Share } from './jobs/share.ts';
import { WorkerPool } from './jobs/worker-pool.ts';
import type { PipelineContext, PipelineOptions } from './pipeline-context.ts';
import { SlabBroker } from './slabs/slab-broker.ts';
import { type Ledger, SlabPool } from './slabs/slab-pool.ts';
import { type PackContent, PackWriter } from './upload/pack-writer.ts';
import { type UploadListener, UploadPipeline } from './upload/upload-pipeline.ts';

export interface EngineOptions extends PipelineOptions {
  threads: number;
  niceness: number;
  slabCount: number;
  logger: Logger;
  /** Default: some that nobody reads. */
  counters?: Counters;
}

export interface EngineStats {
  transfers: number;
  uploads: number;
  jobsOutstanding: number;
  jobsWaiting: number;
  slabs: Ledger;
}

export class Engine implements PipelineContext {
  readonly options: EngineOptions;
  readonly pool: SlabPool;
  readonly workers: WorkerPool;
  readonly streams = new ActiveStreams();
  readonly slabs: SlabBroker;
  readonly jobs: JobQueue;
  readonly counters: Counters;

  constructor(options: EngineOptions) {
    this.options = options;
    this.counters = options.counters ?? new Counters();
    this.pool = new SlabPool(options.slabBytes, options.slabCount);
    this.workers = new WorkerPool({ ...options, counters: this.counters, slabs: this.pool });
    this.slabs = new SlabBroker(this.pool, this.streams, maxOutstandingJobs(options.threads));
    this.jobs = new JobQueue(this.workers, this.slabs, this.streams);
    this.#beCounted(this.counters);
  }

  /** Throws INTERNAL when the threads do not start. */
  start(): Promise<void> {
    return this.workers.start();
  }

  /** Ends every stream with UNAVAILABLE, then the threads. */
  async stop(): Promise<void> {
    this.streams.failAll(stopping());
    this.jobs.stop();
    this.slabs.stop();
    await this.workers.stop();
  }

  /** For ranges that go to one peer over one stream. */
  peerPace(): PeerPace {
    return new PeerPace(this.options);
  }

  /**
   * Prepares to send a range; its `run` starts it.
   *
   * @param share whose it is; by default it is alone in its own, as for the other two
   */
  sendRange(request: RangeRequest, outlet: Outlet, share = new Share()): RangePipeline {
    const pipeline = new RangePipeline(this, request, outlet, share);
    this.streams.addDownload(pipeline);
    return pipeline;
  }

  /** Prepares to receive into `sink`, which stays open until the pipeline is closed. */
  receiveUpload(sink: ByteSink, listener: UploadListener, share = new Share()): UploadPipeline {
    const pipeline = new UploadPipeline(this, sink, listener, share);
    this.streams.addUpload(pipeline);
    return pipeline;
  }

  /** Prepares to write a pack; the caller closes what it gets. */
  writePack(content: PackContent, share = new Share()): PackWriter {
    const writer = new PackWriter(this, content, share);
    this.streams.addUpload(writer);
    return writer;
  }

  /** Numbers that the engine's parts keep. */
  #beCounted({ transfers, jobsNow, slabs, threads }: Counters): void {
    threads.observe(() => this.workers.threads);
    transfers.observe(() => this.streams.downloads, 'download');
    transfers.observe(() => this.streams.uploads, 'upload');
    jobsNow.observe(() => this.jobs.outstanding, 'outstanding');
    jobsNow.observe(() => this.jobs.waiting, 'waiting');
    for (const state of ['free', 'leased', 'sending', 'quarantined'] as const)
      slabs.observe(() => this.pool.ledger()[state], state);
  }

  stats(): EngineStats {
    return {
      transfers: this.streams.downloads,
      uploads: this.streams.uploads,
      jobsOutstanding: this.jobs.outstanding,
      jobsWaiting: this.jobs.waiting,
      slabs: this.pool.ledger(),
    };
  }
}
