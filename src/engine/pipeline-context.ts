/** The parts of the engine that a pipeline of either direction uses. */
import type { Counters } from '../base/counters/counters.ts';
import type { ActiveStreams } from './active-streams.ts';
import type { JobQueue } from './jobs/job-queue.ts';
import type { SlabBroker } from './slabs/slab-broker.ts';

export interface PipelineOptions {
  /** Payload bytes of one slab. */
  slabBytes: number;
  /** Jobs of one stream that are begun and not finished, at most. */
  jobsInFlight: number;
  /** What a peer gets that has shown nothing. */
  firstMessageBytes: number;
  /** Where every chunk is to be compressed. */
  gzipLevel: number;
  /** Up to which the choice of codings goes by itself. */
  maxGzipLevel: number;
}

export interface PipelineContext {
  readonly slabs: SlabBroker;
  readonly jobs: JobQueue;
  readonly streams: ActiveStreams;
  readonly options: PipelineOptions;
  readonly counters: Counters;
}
