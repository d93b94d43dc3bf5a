/**
 * One stream of one file range: jobs in order, bounded, sent as the peer drains.
 *
 *   nextOffset ──job──▶ running ──result──▶ ready ──head of line, no write out──▶ sending ──done──▶ drained
 *       └──store has no descriptor──▶ reading ──▶ read ──job──▶ running
 *
 * Invariants: entries are in file order; at most one write is outstanding; what
 * is not sent can be given back and read again, so nothing but the write in
 * flight ties a slab to a peer that does not read.
 */

import type { CodecName, Coding } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import type { ChoiceSummary } from '../../compression/codec-choice.ts';
import type { ByteSource, Reader } from '../../storage/byte-source.ts';
import { combineCrc32 } from '../../wire/crc32.ts';
import type { Engine } from '../engine.ts';
import type { FilledRun, FillJob, FillResult } from '../jobs/job.ts';
import type { JobStart, Schedulable } from '../jobs/scheduler.ts';
import { WorkerDied } from '../jobs/worker-pool.ts';
import type { Lease } from '../slabs/slab-pool.ts';
import { type CompressionMode, CompressionPolicy } from './compression-policy.ts';
import type { Outlet } from './outlet.ts';
import { fileShrank, StoreRead } from './store-read.ts';
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

/** reading, read: only where the store reads; see above. */
type EntryStage = 'reading' | 'read' | 'running' | 'ready';

/** A piece of the range from the beginning of its job until its run is drained or given back. */
interface Entry {
  readonly lease: Lease;
  readonly offset: number;
  readonly rawBytes: number;
  readonly coding: Coding;
  /** Holds its slab until the peer has drained it; otherwise it is copied out at once. */
  readonly held: boolean;
  /** Read early: the piece that the peer must have earned before this is sent. 0: it had, when this was posted. */
  readonly owedBytes: number;
  /** Try a sample first. */
  readonly probe: boolean;
  stage: EntryStage;
  /** What fills the slab, where the store does that. */
  read: StoreRead | null;
  run: FilledRun | null;
  /** Given back: whoever answers releases the slab. */
  abandoned: boolean;
}

/** Threads may die of one bad job again and again; this ends it. */
const MAX_WORKER_DEATHS = 5;

/** What posting and framing one message costs beside its bytes, in the scheduler's bytes. */
const MESSAGE_COST_BYTES = 4096;

export class RangePipeline implements Schedulable {
  deficitBytes = 0;
  isQueued = false;
  readonly totals: RangeTotals = { rawBytes: 0, wireBytes: 0, crc32: 0 };
  readonly #engine: Engine;
  readonly #request: RangeRequest;
  readonly #outlet: Outlet;
  readonly #sizer: WriteSizer;
  readonly #policy: CompressionPolicy;
  /** In file order; the first is the next to be sent. */
  readonly #entries: Entry[] = [];
  /** Jobs posted and not answered, abandoned ones included: they still use the descriptor. */
  #running = 0;
  #nextOffset: number;
  #sending: Entry | null = null;
  #sentAtMs = 0;
  #writeOut = false;
  #workerDeaths = 0;
  #error: TransferError | null = null;
  #isSettled = false;
  readonly #settled: Promise<RangeTotals>;
  #resolve!: (totals: RangeTotals) => void;
  #reject!: (error: TransferError) => void;

  constructor(engine: Engine, request: RangeRequest, outlet: Outlet) {
    this.#engine = engine;
    this.#request = request;
    this.#outlet = outlet;
    this.#sizer = new WriteSizer(engine.options.firstMessageBytes, engine.options.slabBytes);
    this.#policy = new CompressionPolicy({
      mode: request.compression,
      codecs: request.codecs,
      gzipLevel: engine.options.gzipLevel,
      maxGzipLevel: engine.options.maxGzipLevel,
    });
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
    this.#settleIfDone();
    this.#engine.want(this);
    return this.#settled;
  }

  /** Ends the transfer; what is under way is given back or quarantined. The first error stays. */
  fail(error: TransferError): void {
    if (this.#error !== null || this.#isSettled) return;
    this.#error = error;
    this.giveBack();
    const sending = this.#sending;
    this.#sending = null;
    if (sending !== null) this.#quarantine(sending, this.#outlet.untouched());
    this.#settleIfDone();
  }

  /** How the bytes were coded and why; undefined when there was nothing to choose. */
  codings(): ChoiceSummary | undefined {
    return this.#policy.summary();
  }

  /** How long the outstanding write has been waiting for the peer; 0 without one. */
  waitedMs(nowMs: number): number {
    return this.#writeOut ? nowMs - this.#sentAtMs : 0;
  }

  /** Releases everything that is not being sent; it will be read again when the peer drains. */
  giveBack(): void {
    this.#sizer.restart();
    this.#dropFrom(0);
  }

  nextCostBytes(): number {
    // It has paid for its bytes when it was read.
    if (this.#nextRead() !== undefined) return MESSAGE_COST_BYTES;
    const bytes = this.#nextJobBytes();
    return bytes === 0 ? 0 : bytes + MESSAGE_COST_BYTES * Math.ceil(bytes / this.#request.chunkBytes);
  }

  startJob(): JobStart {
    const read = this.#nextRead();
    if (read !== undefined) {
      this.#post(read, null);
      return 'posted';
    }
    const nowMs = performance.now();
    const { slabs, policy } = this.#engine;
    let held = this.#pieceBytes() > this.#sizer.firstBytes;
    const readsAhead = this.#writeOut || this.#entries.length > 0;
    if (held && !policy.mayHold(this.#sizer.drainedBytes, readsAhead)) {
      this.#engine.reclaim(nowMs);
      if (readsAhead || policy.shouldWait(nowMs)) return 'refused';
      this.#sizer.restart();
      held = false;
    }
    const choice = this.#policy.next(nowMs, this.#engine.workersForOne());
    const bytes = this.#nextJobBytes();
    const pieceBytes = this.#pieceBytes();
    const lease = slabs.lease();
    if (lease === undefined) return 'refused';
    if (held) policy.took();
    this.#policy.choice?.took(choice, nowMs);
    const entry: Entry = {
      lease,
      offset: this.#nextOffset,
      rawBytes: bytes,
      coding: choice.coding,
      held,
      owedBytes: pieceBytes > this.#sizer.pieceBytes ? pieceBytes : 0,
      probe: choice.probe,
      stage: 'reading',
      read: null,
      run: null,
      abandoned: false,
    };
    this.#nextOffset += bytes;
    this.#entries.push(entry);
    const { source } = this.#request;
    if (source.kind === 'reader') {
      this.#read(entry, source);
      return 'reading';
    }
    this.#post(entry, source.fd);
    return 'posted';
  }

  /** The first piece whose bytes are in its slab and wait for their job. */
  #nextRead(): Entry | undefined {
    if (this.#request.source.kind === 'descriptor') return undefined;
    return this.#entries.find(({ stage }) => stage === 'read');
  }

  #nextJobBytes(): number {
    if (this.#error !== null || this.#nextOffset >= this.#request.end) return 0;
    const mayReadAhead = !this.#sizer.isSmall || this.#readsEarly;
    if (
      mayReadAhead
        ? this.#entries.length >= this.#engine.options.jobsInFlight
        : this.#writeOut || this.#entries.length > 0
    ) {
      return 0;
    }
    const { chunkBytes, end } = this.#request;
    const { coding } = this.#policy.next(performance.now(), this.#engine.workersForOne());
    const jobBytes = this.#engine.jobBytes(this.#policy.bytesPerMs(coding), chunkBytes);
    const most = Math.min(this.#pieceBytes(), jobBytes);
    const whole = most > chunkBytes ? most - (most % chunkBytes) : most;
    return Math.min(whole, end - this.#nextOffset);
  }

  /** The most raw bytes of the next job. */
  #pieceBytes(): number {
    if (!this.#readsEarly) return this.#sizer.pieceBytes;
    const last = this.#entries.at(-1)?.rawBytes ?? (this.#writeOut ? this.#sizer.pieceBytes : 0);
    return Math.max(this.#sizer.pieceBytes, this.#sizer.after(last));
  }

  /** Over a slow store each piece would cost the wait for a read before the next may be larger. */
  get #readsEarly(): boolean {
    return this.#engine.isStoreSlow && this.#sizer.isEager;
  }

  #read(entry: Entry, reader: Reader): void {
    const read = new StoreRead(reader, entry.lease.payload(entry.rawBytes), entry.offset);
    entry.read = read;
    void read.ended.then((error) => {
      if (entry.abandoned) return;
      if (error === null) {
        entry.stage = 'read';
        this.#engine.observeRead(read.tookMs);
      } else {
        this.#remove(entry);
        this.fail(error);
      }
      this.#engine.want(this);
    });
  }

  /** A job for the bytes of `fd`; null: they are in the slab. */
  #post(entry: Entry, fd: number | null): void {
    entry.stage = 'running';
    const { chunkBytes, details, checksums } = this.#request;
    const job: FillJob = {
      kind: 'fill',
      slab: entry.lease.slab,
      fd,
      offset: entry.offset,
      rawBytes: entry.rawBytes,
      chunkBytes: Math.min(chunkBytes, entry.rawBytes),
      details,
      checksums,
      coding: entry.coding,
      probe: entry.probe,
    };
    this.#running += 1;
    this.#engine.workers.fill(job).then(
      (result) => this.#answered(entry, result),
      (reason) => this.#died(entry, reason),
    );
  }

  #answered(entry: Entry, result: FillResult): void {
    this.#running -= 1;
    this.#engine.jobEnded();
    if (entry.abandoned) {
      this.#releaseLease(entry);
    } else if (result.kind === 'filled') {
      entry.stage = 'ready';
      entry.run = result;
      this.#engine.observeJob(result.workMs);
      if (entry.read === null) this.#engine.observeRead(result.readMs);
      this.#policy.observe(entry.coding, result, entry.offset + entry.rawBytes, performance.now());
      this.#pump();
    } else {
      this.#remove(entry);
      this.fail(this.#errorOf(result));
    }
    this.#settleIfDone();
    this.#engine.want(this);
  }

  /** The thread died: keep the slab away until it has exited, and read the rest again. */
  #died(entry: Entry, reason: unknown): void {
    this.#running -= 1;
    this.#engine.jobEnded();
    this.#workerDeaths += 1;
    const untouched = reason instanceof WorkerDied ? reason.untouched : Promise.resolve();
    this.#quarantine(entry, untouched);
    const at = this.#entries.indexOf(entry);
    if (at >= 0) {
      this.#dropFrom(at + 1);
      this.#entries.pop();
      this.#nextOffset = entry.offset;
    }
    if (this.#workerDeaths >= MAX_WORKER_DEATHS) {
      this.fail(new TransferError('INTERNAL', 'worker threads keep dying', { cause: reason }));
    }
    this.#settleIfDone();
    this.#engine.want(this);
  }

  /** Sends the head of the line when it is ready and nothing is on its way. */
  #pump(): void {
    const head = this.#entries[0];
    if (this.#writeOut || this.#error !== null || !head?.run) return;
    if (head.owedBytes > this.#sizer.pieceBytes) {
      this.#dropFrom(0); // The peer took those before it too slowly: it gets less at once.
      return;
    }
    this.#entries.shift();
    this.#writeOut = true;
    this.#sentAtMs = performance.now();
    this.#policy.wrote(head.coding, head.run, this.#sentAtMs);
    const { runBytes } = head.run;
    if (head.held) {
      head.lease.markSending();
      this.#sending = head;
      this.#outlet.write(head.lease.bytes(runBytes), () => this.#drained(head));
      return;
    }
    const copy = Buffer.allocUnsafeSlow(runBytes);
    copy.set(head.lease.bytes(runBytes)); // copy: a stream that may stall must not hold a slab
    this.#releaseLease(head);
    this.#outlet.write(copy, () => this.#drained(head));
  }

  #drained(entry: Entry): void {
    if (!this.#writeOut) return;
    this.#writeOut = false;
    const run = entry.run as FilledRun;
    const nowMs = performance.now();
    if (this.#error === null) {
      if (entry.held) {
        this.#sending = null;
        this.#releaseLease(entry);
      }
      this.#sizer.drained(run.rawBytes, nowMs - this.#sentAtMs);
      this.#policy.choice?.drained(nowMs);
      this.#mark(nowMs);
      // A job that kills threads lets nothing behind it pass; deaths with progress between them are not its doing.
      this.#workerDeaths = 0;
      this.totals.rawBytes += run.rawBytes;
      this.totals.wireBytes += run.runBytes;
      if (this.#request.checksums)
        this.totals.crc32 = combineCrc32(this.totals.crc32, run.crc32, run.rawBytes);
      this.#pump();
    }
    this.#settleIfDone();
    this.#engine.want(this);
  }

  /** Asks for an echo behind what was written, when the choice of codings wants one. */
  #mark(nowMs: number): void {
    const { choice } = this.#policy;
    if (choice === undefined || this.#outlet.pingBarrier === undefined || !choice.wantsMark(nowMs)) return;
    if (this.#outlet.pingBarrier(() => choice.link.echoed(performance.now()))) choice.link.marked(nowMs);
  }

  /** Gives back the entries from `index` on; their range will be read again. */
  #dropFrom(index: number): void {
    const dropped = this.#entries.splice(index);
    if (dropped[0] !== undefined) this.#nextOffset = dropped[0].offset;
    for (const entry of dropped) {
      entry.abandoned = true;
      if (entry.stage === 'running') {
        this.#engine.slabs.cancelJob(entry.lease.slab);
      } else if (entry.stage === 'reading') {
        // Nobody waits for a store that does not answer; its slab does.
        entry.read?.abort();
        this.#quarantine(entry, entry.read?.ended as Promise<unknown>);
      } else {
        this.#releaseLease(entry);
      }
    }
  }

  /** Takes out a piece that will never be sent. */
  #remove(entry: Entry): void {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#releaseLease(entry);
  }

  #quarantine(entry: Entry, untouched: Promise<unknown>): void {
    void entry.lease.quarantine(untouched).then(() => {
      if (entry.held) this.#engine.policy.returned(performance.now());
      this.#engine.dispatch();
    });
  }

  #releaseLease(entry: Entry): void {
    entry.lease.release();
    if (entry.held) this.#engine.policy.returned(performance.now());
  }

  #settleIfDone(): void {
    if (this.#isSettled || this.#running > 0) return;
    if (this.#error !== null) {
      this.#isSettled = true;
      this.#engine.forget(this);
      this.#reject(this.#error);
    } else if (this.#nextOffset >= this.#request.end && this.#entries.length === 0 && !this.#writeOut) {
      this.#isSettled = true;
      this.#engine.forget(this);
      this.#resolve(this.totals);
    }
  }

  #errorOf(result: Exclude<FillResult, FilledRun>): TransferError {
    switch (result.kind) {
      case 'short':
        return fileShrank();
      case 'cancelled':
        return new TransferError('INTERNAL', 'a job nobody cancelled says it was cancelled');
      case 'failed': {
        const { source } = this.#request;
        const { errno, message } = result;
        if (source.kind === 'descriptor') return source.errorOf(errno, message);
        return new TransferError('INTERNAL', `a job without system calls failed (${errno})`, {
          cause: message,
        });
      }
    }
  }
}
