/**
 * One stream of one file range: pieces in order, bounded, sent as the peer drains.
 *
 *   plan ──turn──▶ ReadAhead ──head of line, no write out──▶ sending ──done──▶ drained
 *
 * Invariants: at most one write is outstanding; what is not sent can be given
 * back and read again, so nothing but the write in flight ties a slab to a peer
 * that does not read; nothing is read that the peer has not granted.
 */
import { type Coding, IDENTITY, nameOfCoding } from '../../base/coding.ts';
import type { TransferError } from '../../base/errors.ts';
import type { ChoiceSummary } from '../../compression/codec-choice.ts';
import { combineCrc32 } from '../../wire/crc32.ts';
import type { ActiveStream } from '../active-streams.ts';
import type { FilledRun } from '../jobs/job.ts';
import type { JobStart, Schedulable, Share } from '../jobs/share.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { Sighted, StreamSight } from '../stream-sight.ts';
import type { CompressionPolicy } from './compression-policy.ts';
import { FILE_COST_BYTES, JobPlanner, MESSAGE_COST_BYTES } from './job-planner.ts';
import type { Outlet } from './outlet.ts';
import { type PacedRange, PeerPace } from './peer-pace.ts';
import type { Piece } from './piece.ts';
import type { RangeRequest } from './range-request.ts';
import { ReadAhead, type ReadAheadListener } from './read-ahead.ts';

export interface RangeTotals {
  /** Bytes of the file that were sent and drained. */
  rawBytes: number;
  /** Bytes of messages. */
  wireBytes: number;
  /** CRC-32 of the raw bytes; 0 unless asked for. */
  crc32: number;
}

export class RangePipeline implements Schedulable, ActiveStream, ReadAheadListener, PacedRange, Sighted {
  deficitBytes = 0;
  isQueued = false;
  readonly share: Share;
  readonly totals: RangeTotals = { rawBytes: 0, wireBytes: 0, crc32: 0 };
  readonly #context: PipelineContext;
  readonly #request: RangeRequest;
  readonly #outlet: Outlet;
  readonly #pace: PeerPace;
  readonly #policy: CompressionPolicy;
  readonly #planner: JobPlanner;
  readonly #ahead: ReadAhead;
  /** Of the plan: its job comes next. */
  #nextRead: Piece | undefined;
  #sending: Piece | null = null;
  #sentAtMs = 0;
  /** How long writes were outstanding, without the present one. */
  #writingMs = 0;
  #writeOut = false;
  /** Of the outstanding write: in flight until it is drained. */
  #outBytes = 0;
  readonly #hasRoom = () => this.wantJob();
  /** Of the last write. */
  #coding: Coding | null = null;
  #error: TransferError | null = null;
  #isSettled = false;
  readonly #settled: Promise<RangeTotals>;
  #resolve!: (totals: RangeTotals) => void;
  #reject!: (error: TransferError) => void;

  constructor(context: PipelineContext, request: RangeRequest, outlet: Outlet, share: Share) {
    const { chunkBytes, codecs, compression } = request;
    this.#context = context;
    this.#request = request;
    this.share = share;
    this.#outlet = outlet;
    this.#pace = outlet.pace ?? new PeerPace(context.options);
    this.#policy = this.#pace.coding.policyFor({ mode: compression, codecs });
    this.#planner = new JobPlanner(context, chunkBytes, this.#pace, this.#policy);
    this.#ahead = new ReadAhead(context, request, outlet, this.#pace, this);
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
    this.#outlet.credit?.onGrant(() => this.#resume());
    this.#resume();
    return this.#settled;
  }

  /** The peer is ready to take more. */
  #resume(): void {
    if (this.#isSettled) return;
    if (!this.#pace.isBusy) this.#pace.coding.resumed(this.#policy, this.#outlet, performance.now());
    this.ended();
  }

  /** Ends the transfer; what is under way is given back or quarantined. The first error stays. */
  fail(error: TransferError): void {
    if (this.#error !== null || this.#isSettled) return;
    this.#error = error;
    this.#ahead.giveBack();
    this.#arrived();
    const sending = this.#sending;
    this.#sending = null;
    if (sending !== null) this.#context.slabs.quarantine(sending.lease, this.#outlet.untouched());
    this.#settleIfDone();
  }

  /** How the bytes were coded and why; undefined when there was nothing to choose. */
  codings(): ChoiceSummary | undefined {
    return this.#policy.summary();
  }

  sight(nowMs: number): StreamSight {
    const { end, start } = this.#request;
    const { choice } = this.#policy;
    const movedEnd = start + this.totals.rawBytes;
    return {
      start,
      size: end - start,
      movedBytes: this.totals.rawBytes,
      wireBytes: this.totals.wireBytes,
      inFlightBytes: this.#ahead.nextOffset - movedEnd,
      peerMs: this.#writingMs + (this.#writeOut ? nowMs - this.#sentAtMs : 0),
      storageMs: this.#ahead.storageMs,
      lacksCredit: !this.#writeOut && this.#lacksCredit && movedEnd < end,
      coding: this.#coding === null ? '' : nameOfCoding(this.#coding),
      codingReason: choice?.reason ?? '',
    };
  }

  isIdle(nowMs: number, limitMs: number): boolean {
    if (this.#writeOut) return nowMs - this.#sentAtMs > limitMs;
    return this.#lacksCredit;
  }

  /** All that was granted is sent. */
  get #lacksCredit(): boolean {
    return this.#ahead.count === 0 && this.#ahead.nextOffset >= this.#grantedEnd;
  }

  giveBackIdle(nowMs: number, limitMs: number): void {
    if (this.#writeOut && this.isIdle(nowMs, limitMs)) this.giveBack();
  }

  /** Releases everything that is not being sent; it will be read again when the peer drains. */
  giveBack(): void {
    this.#pace.sizer.restart();
    this.#ahead.giveBack();
  }

  planJob(): number {
    this.#nextRead = this.#error === null ? this.#ahead.firstRead() : undefined;
    // It has paid for its bytes when it was read.
    if (this.#nextRead !== undefined) return MESSAGE_COST_BYTES;
    const end = this.#grantedEnd;
    if (this.#error !== null || this.#ahead.nextOffset >= end) this.#pace.passOn();
    else if (!this.#planner.mayBegin) this.#pace.wait(this);
    else if (this.share.mayBegin(this.#hasRoom)) return this.#price(end);
    return 0;
  }

  #price(end: number): number {
    const price = this.#planner.plan(this.#ahead, end, this.#writeOut);
    const { source } = this.#request;
    if (price <= 0 || source.kind !== 'pack') return price;
    return price + FILE_COST_BYTES * source.filesIn(this.#ahead.nextOffset, this.#planner.bytes);
  }

  startJob(): JobStart {
    if (this.#nextRead !== undefined) return this.#ahead.resume(this.#nextRead);
    this.#policy.choice?.took(this.#planner.choice, this.#planner.atMs);
    return this.#ahead.begin(this.#planner);
  }

  /** Where the peer wants no more until it grants more. */
  get #grantedEnd(): number {
    const { end, start } = this.#request;
    const { credit } = this.#outlet;
    return credit === undefined ? end : Math.min(end, start + credit.grantedBytes);
  }

  filled(piece: Piece, run: FilledRun): void {
    this.#policy.observe(piece.coding, run, piece.streamEnd, performance.now());
    this.#pump();
  }

  ended(): void {
    this.#settleIfDone();
    this.wantJob();
  }

  /** Sends the head of the line when it is ready and nothing is on its way. */
  #pump(): void {
    const { head } = this.#ahead;
    if (this.#writeOut || this.#error !== null || !head?.run) return;
    if (head.owedBytes > this.#pace.sizer.pieceBytes) {
      this.#ahead.giveBack(); // The peer took those before it too slowly: it gets less at once.
      return;
    }
    if (!this.#ahead.take(head.run)) return;
    this.#writeOut = true;
    this.#outBytes = head.rawBytes;
    this.#sentAtMs = performance.now();
    this.#uses(head.run.incompressible ? IDENTITY : head.coding);
    this.#pace.coding.wrote({ policy: this.#policy, coding: head.coding, run: head.run }, this.#sentAtMs);
    const { runBytes } = head.run;
    this.share.charge(runBytes, this.#sentAtMs);
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

  #uses(coding: Coding): void {
    if (coding.codec !== this.#coding?.codec) this.#context.counters.codingChoices.add(1, coding.codec);
    this.#coding = coding;
  }

  #drained(piece: Piece): void {
    if (!this.#writeOut) return;
    this.#writeOut = false;
    this.#arrived();
    const run = piece.run as FilledRun;
    const nowMs = performance.now();
    this.#writingMs += nowMs - this.#sentAtMs;
    this.#pace.coding.drained(this.#outlet, nowMs);
    if (this.#error === null) {
      if (piece.lease.use === 'hold') {
        this.#sending = null;
        this.#context.slabs.release(piece.lease);
      }
      this.#pace.sizer.drained(run.rawBytes, nowMs - this.#sentAtMs);
      this.#ahead.noteProgress();
      this.totals.rawBytes += run.rawBytes;
      this.totals.wireBytes += run.runBytes;
      this.#context.counters.sentBytes.add(run.rawBytes, 'raw', piece.coding.codec);
      this.#context.counters.sentBytes.add(run.runBytes, 'wire', piece.coding.codec);
      if (this.#request.checksums)
        this.totals.crc32 = combineCrc32(this.totals.crc32, run.crc32, run.rawBytes);
      this.#pump();
    }
    this.#pace.drained();
    this.ended();
  }

  #arrived(): void {
    this.share.arrived(this.#outBytes);
    this.#outBytes = 0;
  }

  #settleIfDone(): void {
    if (this.#isSettled || this.#ahead.running > 0) return;
    if (this.#error !== null) {
      this.#leave();
      this.#reject(this.#error);
    } else if (this.#ahead.nextOffset >= this.#request.end && this.#ahead.count === 0 && !this.#writeOut) {
      this.#leave();
      this.#resolve(this.totals);
    }
  }

  #leave(): void {
    this.#isSettled = true;
    this.#context.streams.remove(this);
    this.#context.jobs.forget(this);
    this.#pace.forget(this);
    this.share.forget(this.#hasRoom);
  }

  wantJob(): void {
    if (!this.#isSettled) this.#context.jobs.want(this);
  }
}
