/**
 * One stream of one file range: jobs in order, bounded, sent as the peer drains.
 *
 *   nextOffset ──job──▶ running ──result──▶ ready ──head of line, no write out──▶ sending ──done──▶ drained
 *       └──store has no descriptor──▶ reading ──▶ read ──job──▶ running
 *
 * Invariants: pieces are in file order; at most one write is outstanding; what
 * is not sent can be given back and read again, so nothing but the write in
 * flight ties a slab to a peer that does not read; nothing is read that the
 * peer has not granted.
 */

import type { CodecName } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import type { ChoiceSummary } from '../../compression/codec-choice.ts';
import type { ByteSource, Reader } from '../../storage/byte-source.ts';
import { combineCrc32 } from '../../wire/crc32.ts';
import type { ActiveStream } from '../active-streams.ts';
import type { FilledRun, FillJob, FillResult } from '../jobs/job.ts';
import type { JobStart, Schedulable } from '../jobs/scheduler.ts';
import { WorkerDied } from '../jobs/worker-pool.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import { type CompressionMode, CompressionPolicy } from './compression-policy.ts';
import { JobPlanner, MESSAGE_COST_BYTES, type Standing } from './job-planner.ts';
import type { Outlet } from './outlet.ts';
import { fillError, type Piece } from './piece.ts';
import { StoreRead } from './store-read.ts';
import { WriteSizer } from './write-sizer.ts';

export interface RangeRequest {
  /** Open until `run` has settled. */
  source: ByteSource;
  /** The range `[start, end)` of the file. */
  start: number;
  end: number;
  chunkBytes: number;
  details: boolean;
  checksums: boolean;
  compression: CompressionMode;
  /** What the peer decompresses. */
  codecs: readonly CodecName[];
}

export interface RangeTotals {
  /** Bytes of the file that were sent and drained. */
  rawBytes: number;
  /** Bytes of messages. */
  wireBytes: number;
  /** CRC-32 of the raw bytes; 0 unless asked for. */
  crc32: number;
}

/** Threads may die of one bad job again and again; this ends it. */
const MAX_WORKER_DEATHS = 5;

export class RangePipeline implements Schedulable, ActiveStream {
  deficitBytes = 0;
  isQueued = false;
  readonly totals: RangeTotals = { rawBytes: 0, wireBytes: 0, crc32: 0 };
  readonly #context: PipelineContext;
  readonly #request: RangeRequest;
  readonly #outlet: Outlet;
  readonly #sizer: WriteSizer;
  readonly #policy: CompressionPolicy;
  readonly #planner: JobPlanner;
  readonly #standing: Standing = { offset: 0, end: 0, jobs: 0, lastBytes: 0, isWriting: false };
  /** In file order; the first is the next to be sent. */
  readonly #pieces: Piece[] = [];
  /** Of the plan: its job comes next. */
  #nextRead: Piece | undefined;
  /** Jobs posted and not answered, abandoned ones included: they still use the descriptor. */
  #running = 0;
  #nextOffset: number;
  #sending: Piece | null = null;
  #sentAtMs = 0;
  #writeOut = false;
  #workerDeaths = 0;
  #error: TransferError | null = null;
  #isSettled = false;
  readonly #settled: Promise<RangeTotals>;
  #resolve!: (totals: RangeTotals) => void;
  #reject!: (error: TransferError) => void;

  constructor(context: PipelineContext, request: RangeRequest, outlet: Outlet) {
    const { firstMessageBytes, gzipLevel, maxGzipLevel, slabBytes } = context.options;
    const { chunkBytes, codecs, compression } = request;
    this.#context = context;
    this.#request = request;
    this.#outlet = outlet;
    this.#sizer = new WriteSizer(firstMessageBytes, slabBytes);
    this.#policy = new CompressionPolicy({ mode: compression, codecs, gzipLevel, maxGzipLevel });
    this.#planner = new JobPlanner(context, chunkBytes, this.#sizer, this.#policy);
    this.#nextOffset = request.start;
    this.#settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // It may be failed before anybody runs it; whoever does gets the error then.
    this.#settled.catch(() => {});
  }

  /**
   * Sends the range. Resolves when its last byte is drained; rejects with the
   * error that ended it. Either way no job uses the descriptor any more.
   */
  run(): Promise<RangeTotals> {
    // Before the first byte, so that the round trip of an idle link is known.
    this.#mark(performance.now());
    this.#outlet.credit?.onGrant(() => this.#wantJob());
    this.#settleIfDone();
    this.#wantJob();
    return this.#settled;
  }

  /** Ends the transfer; what is under way is given back or quarantined. The first error stays. */
  fail(error: TransferError): void {
    if (this.#error !== null || this.#isSettled) return;
    this.#error = error;
    this.giveBack();
    const sending = this.#sending;
    this.#sending = null;
    if (sending !== null) this.#context.slabs.quarantine(sending.lease, this.#outlet.untouched());
    this.#settleIfDone();
  }

  /** How the bytes were coded and why; undefined when there was nothing to choose. */
  codings(): ChoiceSummary | undefined {
    return this.#policy.summary();
  }

  isIdle(nowMs: number, limitMs: number): boolean {
    if (this.#writeOut) return nowMs - this.#sentAtMs > limitMs;
    return this.#pieces.length === 0 && this.#nextOffset >= this.#grantedEnd;
  }

  giveBackIdle(nowMs: number, limitMs: number): void {
    if (this.#writeOut && this.isIdle(nowMs, limitMs)) this.giveBack();
  }

  /** Releases everything that is not being sent; it will be read again when the peer drains. */
  giveBack(): void {
    this.#sizer.restart();
    this.#dropFrom(0);
  }

  planJob(): number {
    if (this.#error !== null) return 0;
    this.#nextRead = this.#firstRead();
    // It has paid for its bytes when it was read.
    if (this.#nextRead !== undefined) return MESSAGE_COST_BYTES;
    const standing = this.#standing;
    standing.offset = this.#nextOffset;
    standing.end = this.#grantedEnd;
    standing.jobs = this.#pieces.length;
    standing.lastBytes = this.#pieces.at(-1)?.rawBytes ?? 0;
    standing.isWriting = this.#writeOut;
    return this.#planner.plan(standing);
  }

  startJob(): JobStart {
    if (this.#nextRead !== undefined) {
      this.#post(this.#nextRead, null);
      return 'posted';
    }
    const { atMs, bytes, choice, owedBytes, use } = this.#planner;
    this.#policy.choice?.took(choice, atMs);
    const piece: Piece = {
      lease: this.#context.slabs.lease(use),
      offset: this.#nextOffset,
      rawBytes: bytes,
      coding: choice.coding,
      owedBytes,
      probe: choice.probe,
      stage: 'reading',
      read: null,
      run: null,
      abandoned: false,
    };
    this.#nextOffset += bytes;
    this.#pieces.push(piece);
    const { source } = this.#request;
    if (source.kind === 'reader') {
      this.#read(piece, source);
      return 'reading';
    }
    this.#post(piece, source.fd);
    return 'posted';
  }

  /** The first piece whose bytes are in its slab and wait for their job. */
  #firstRead(): Piece | undefined {
    if (this.#request.source.kind === 'descriptor') return undefined;
    return this.#pieces.find(({ stage }) => stage === 'read');
  }

  /** Where the peer wants no more until it grants more. */
  get #grantedEnd(): number {
    const { end, start } = this.#request;
    const { credit } = this.#outlet;
    return credit === undefined ? end : Math.min(end, start + credit.grantedBytes);
  }

  #read(piece: Piece, reader: Reader): void {
    const read = new StoreRead(reader, piece.lease.payload(piece.rawBytes), piece.offset);
    piece.read = read;
    void read.ended.then((error) => {
      if (piece.abandoned) return;
      if (error === null) {
        piece.stage = 'read';
        this.#context.jobs.observeRead(read.tookMs);
      } else {
        this.#remove(piece);
        this.fail(error);
      }
      this.#wantJob();
    });
  }

  /** A job for the bytes of `fd`; null: they are in the slab. */
  #post(piece: Piece, fd: number | null): void {
    piece.stage = 'running';
    const { chunkBytes, details, checksums } = this.#request;
    const job: FillJob = {
      kind: 'fill',
      slab: piece.lease.slab,
      fd,
      offset: piece.offset,
      rawBytes: piece.rawBytes,
      chunkBytes: Math.min(chunkBytes, piece.rawBytes),
      details,
      checksums,
      coding: piece.coding,
      probe: piece.probe,
    };
    this.#running += 1;
    this.#context.jobs.fill(job).then(
      (result) => this.#answered(piece, result),
      (reason) => this.#died(piece, reason),
    );
  }

  #answered(piece: Piece, result: FillResult): void {
    this.#running -= 1;
    this.#context.jobs.jobEnded();
    if (piece.abandoned) {
      this.#context.slabs.release(piece.lease);
    } else if (result.kind === 'filled') {
      piece.stage = 'ready';
      piece.run = result;
      this.#context.jobs.observeJob(result.workMs);
      if (piece.read === null) this.#context.jobs.observeRead(result.readMs);
      this.#policy.observe(piece.coding, result, piece.offset + piece.rawBytes, performance.now());
      this.#pump();
    } else {
      this.#remove(piece);
      this.fail(fillError(result, this.#request.source));
    }
    this.#settleIfDone();
    this.#wantJob();
  }

  /** The thread died: keep the slab away until it has exited, and read the rest again. */
  #died(piece: Piece, reason: unknown): void {
    this.#running -= 1;
    this.#context.jobs.jobEnded();
    this.#workerDeaths += 1;
    const untouched = reason instanceof WorkerDied ? reason.untouched : Promise.resolve();
    this.#context.slabs.quarantine(piece.lease, untouched);
    const at = this.#pieces.indexOf(piece);
    if (at >= 0) {
      this.#dropFrom(at + 1);
      this.#pieces.pop();
      this.#nextOffset = piece.offset;
    }
    if (this.#workerDeaths >= MAX_WORKER_DEATHS) {
      this.fail(new TransferError('INTERNAL', 'worker threads die repeatedly', { cause: reason }));
    }
    this.#settleIfDone();
    this.#wantJob();
  }

  /** Sends the head of the line when it is ready and nothing is on its way. */
  #pump(): void {
    const head = this.#pieces[0];
    if (this.#writeOut || this.#error !== null || !head?.run) return;
    if (head.owedBytes > this.#sizer.pieceBytes) {
      this.#dropFrom(0); // The peer took those before it too slowly: it gets less at once.
      return;
    }
    this.#pieces.shift();
    this.#writeOut = true;
    this.#sentAtMs = performance.now();
    this.#policy.wrote(head.coding, head.run, this.#sentAtMs);
    const { runBytes } = head.run;
    if (head.lease.use === 'hold') {
      head.lease.markSending();
      this.#sending = head;
      this.#outlet.write(head.lease.bytes(runBytes), () => this.#drained(head));
      return;
    }
    const copy = Buffer.allocUnsafeSlow(runBytes);
    copy.set(head.lease.bytes(runBytes)); // copy: a stream that may stall must not hold a slab
    this.#context.slabs.release(head.lease);
    this.#outlet.write(copy, () => this.#drained(head));
  }

  #drained(piece: Piece): void {
    if (!this.#writeOut) return;
    this.#writeOut = false;
    const run = piece.run as FilledRun;
    const nowMs = performance.now();
    if (this.#error === null) {
      if (piece.lease.use === 'hold') {
        this.#sending = null;
        this.#context.slabs.release(piece.lease);
      }
      this.#sizer.drained(run.rawBytes, nowMs - this.#sentAtMs);
      this.#policy.choice?.drained(nowMs);
      this.#mark(nowMs);
      // A job that kills threads lets nothing behind it pass; deaths with progress between them are not its doing.
      this.#workerDeaths = 0;
      this.totals.rawBytes += run.rawBytes;
      this.totals.wireBytes += run.runBytes;
      this.#context.counters.sentBytes.add(run.rawBytes, 'raw', piece.coding.codec);
      this.#context.counters.sentBytes.add(run.runBytes, 'wire', piece.coding.codec);
      if (this.#request.checksums)
        this.totals.crc32 = combineCrc32(this.totals.crc32, run.crc32, run.rawBytes);
      this.#pump();
    }
    this.#settleIfDone();
    this.#wantJob();
  }

  /** Asks for an echo behind what was written, when the choice of codings wants one. */
  #mark(nowMs: number): void {
    const { choice } = this.#policy;
    if (choice === undefined || this.#outlet.pingBarrier === undefined || !choice.wantsMark(nowMs)) return;
    if (this.#outlet.pingBarrier(() => choice.link.echoed(performance.now()))) choice.link.marked(nowMs);
  }

  /** Gives back the pieces from `index` on; their range will be read again. */
  #dropFrom(index: number): void {
    const dropped = this.#pieces.splice(index);
    if (dropped[0] !== undefined) this.#nextOffset = dropped[0].offset;
    for (const piece of dropped) {
      piece.abandoned = true;
      if (piece.stage === 'running') {
        piece.lease.cancelJob();
      } else if (piece.stage === 'reading') {
        // Nobody waits for a store that does not answer; its slab does.
        piece.read?.abort();
        this.#context.slabs.quarantine(piece.lease, piece.read?.ended as Promise<unknown>);
      } else {
        this.#context.slabs.release(piece.lease);
      }
    }
  }

  /** Takes out a piece that will never be sent. */
  #remove(piece: Piece): void {
    this.#pieces.splice(this.#pieces.indexOf(piece), 1);
    this.#context.slabs.release(piece.lease);
  }

  #settleIfDone(): void {
    if (this.#isSettled || this.#running > 0) return;
    if (this.#error !== null) {
      this.#leave();
      this.#reject(this.#error);
    } else if (this.#nextOffset >= this.#request.end && this.#pieces.length === 0 && !this.#writeOut) {
      this.#leave();
      this.#resolve(this.totals);
    }
  }

  #leave(): void {
    this.#isSettled = true;
    this.#context.streams.remove(this);
    this.#context.jobs.forget(this);
  }

  #wantJob(): void {
    if (!this.#isSettled) this.#context.jobs.want(this);
  }
}
