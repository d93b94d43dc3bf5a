/**
 * Decides, in one step, what the next job of a range is: its size, its coding,
 * whether its slab is held until the peer has drained it, and its price.
 */
import { IDENTITY } from '../../base/coding.ts';
import { MAX_MESSAGES_PER_SLAB } from '../../base/limits.ts';
import { KIB } from '../../base/units.ts';
import type { Choice } from '../../compression/codec-choice.ts';
import { NO_SLAB } from '../jobs/scheduler.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { SlabUse } from '../slabs/slab-pool.ts';
import type { CompressionPolicy } from './compression-policy.ts';
import type { PeerPace } from './peer-pace.ts';
import type { WriteSizer } from './write-sizer.ts';

/** A job longer than this delays others more than its posting costs. */
const TARGET_JOB_MS = 5;

/** What posting and framing one message costs beside its bytes, in the scheduler's bytes. */
export const MESSAGE_COST_BYTES = 4096;

/** What gathering one file of a pack costs beside its bytes: its system calls take as long as reading that much. */
export const FILE_COST_BYTES = 32 * KIB;

/** What of a stream has been begun and is not being sent yet. */
export interface Begun {
  /** Where the next job begins. */
  readonly nextOffset: number;
  /** Bytes of the last one; 0 without one. */
  readonly lastBytes: number;
}

/** The plan is read from here: a new object for each job would be garbage. */
export class JobPlanner {
  /** Raw bytes of the file. */
  bytes = 0;
  choice: Choice = { coding: IDENTITY, probe: false };
  use: SlabUse = 'copy';
  /** Read early: the piece that the peer must have earned before this is sent. 0: it has. */
  owedBytes = 0;
  atMs = 0;
  readonly #context: PipelineContext;
  readonly #chunkBytes: number;
  readonly #pace: PeerPace;
  readonly #sizer: WriteSizer;
  readonly #policy: CompressionPolicy;

  constructor(context: PipelineContext, chunkBytes: number, pace: PeerPace, policy: CompressionPolicy) {
    this.#context = context;
    this.#chunkBytes = chunkBytes;
    this.#pace = pace;
    this.#sizer = pace.sizer;
    this.#policy = policy;
  }

  /**
   * Plans the next job and returns its price, as `Schedulable.planJob` does.
   *
   * @param end where the last job may end; behind `nextOffset`
   * @param isWriting the peer has a write that it has not drained
   */
  plan(begun: Begun, end: number, isWriting: boolean): number {
    const isAhead = this.#pace.isBusy;
    const { jobs, options, slabs } = this.#context;
    this.atMs = performance.now();
    let pieceBytes = this.#pieceBytes(begun, isWriting);
    this.use = 'copy';
    if (pieceBytes > this.#sizer.firstBytes) {
      const use = slabs.useFor(this.#sizer.drainedBytes, isAhead, this.atMs);
      if (use === null) return NO_SLAB;
      if (use === 'copy') {
        this.#sizer.restart();
        pieceBytes = this.#sizer.pieceBytes;
      }
      this.use = use;
    }
    if (!slabs.hasFree) return NO_SLAB;
    this.owedBytes = pieceBytes > this.#sizer.pieceBytes ? pieceBytes : 0;
    this.choice = this.#policy.next(this.atMs, Math.min(options.jobsInFlight, jobs.threadsForOne(this.atMs)));
    this.bytes = Math.min(this.#wholeChunks(pieceBytes), end - begun.nextOffset);
    return this.bytes + MESSAGE_COST_BYTES * Math.ceil(this.bytes / this.#chunkBytes);
  }

  /** Whether a job may begin now; until the peer has taken the first piece, nothing is read behind it. */
  get mayBegin(): boolean {
    if (this.#sizer.isSmall && !this.#readsEarly) return !this.#pace.isBusy;
    return this.#pace.free > 0;
  }

  /** Over a slow store each piece would cost the wait for a read before the next may be larger. */
  get #readsEarly(): boolean {
    return this.#context.jobs.isStoreSlow && this.#sizer.isEager;
  }

  /** The most raw bytes of the next job. */
  #pieceBytes({ lastBytes }: Begun, isWriting: boolean): number {
    const { pieceBytes } = this.#sizer;
    if (!this.#readsEarly) return pieceBytes;
    const last = lastBytes > 0 || !isWriting ? lastBytes : pieceBytes;
    return Math.max(pieceBytes, this.#sizer.after(last));
  }

  /** As many whole chunks as a worker codes in a few milliseconds and a slab holds; one at the least, or a smaller piece. */
  #wholeChunks(pieceBytes: number): number {
    const chunkBytes = this.#chunkBytes;
    const inTime = Math.floor(this.#policy.bytesPerMs(this.choice.coding) * TARGET_JOB_MS);
    const inSlab = Math.min(MAX_MESSAGES_PER_SLAB * chunkBytes, this.#context.options.slabBytes);
    const most = Math.min(pieceBytes, inSlab, Math.max(chunkBytes, inTime));
    return most > chunkBytes ? most - (most % chunkBytes) : most;
  }
}
