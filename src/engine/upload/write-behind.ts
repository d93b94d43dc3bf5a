/**
 * The slabs of an upload that are ready to be written.
 *
 *   queued ──turn──▶ running ──▶ written
 *                       └──store has no descriptor──▶ being stored ──▶ written
 *
 * Invariant: once `idle` has resolved, no job touches the descriptor, and
 * nobody writes to the store.
 */
import { TransferError } from '../../base/errors.ts';
import type { ByteSink, Writer } from '../../storage/byte-source.ts';
import type { Drained, DrainFault, WrittenBytes } from '../jobs/job.ts';
import type { JobStart, Schedulable, Share } from '../jobs/share.ts';
import { WorkerDied } from '../jobs/worker-pool.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { Box } from './box.ts';
import { writeChecked } from './store-write.ts';

export interface WriteBehindListener {
  /** Bytes are in the file, as they were sent. */
  written(ranges: readonly WrittenBytes[]): void;
  /** Nothing more can be written. */
  fail(error: TransferError): void;
  /** A slab is written, or goes back to the queue. */
  ended(): void;
}

/** A job that kills its thread every time must end. */
const MAX_WORKER_DEATHS = 5;

/** The fixed cost of a chunk, in bytes of the scheduler. */
const CHUNK_COST_BYTES = 4096;

export class WriteBehind implements Schedulable {
  deficitBytes = 0;
  isQueued = false;
  readonly share: Share;
  readonly #context: PipelineContext;
  readonly #sink: ByteSink;
  readonly #listener: WriteBehindListener;
  readonly #queue: Box[] = [];
  /** Boxes whose job runs, or whose bytes are being stored. */
  readonly #running = new Set<Box>();
  /** Aborts writes of the store on failure; null where a worker writes. */
  readonly #failure: AbortController | null;
  #error: TransferError | null = null;
  /** What writes to the store took, in all. */
  storageMs = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(context: PipelineContext, sink: ByteSink, listener: WriteBehindListener, share: Share) {
    this.#context = context;
    this.#sink = sink;
    this.#listener = listener;
    this.share = share;
    this.#failure = sink.kind === 'writer' ? new AbortController() : null;
  }

  /** Bytes that are not written yet. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const box of this.#queue) bytes += box.rawBytes;
    for (const box of this.#running) bytes += box.rawBytes;
    return bytes;
  }

  /** Slabs that are not written yet. */
  get count(): number {
    return this.#queue.length + this.#running.size;
  }

  submit(box: Box): void {
    this.#queue.push(box);
    this.#context.jobs.want(this);
  }

  /** Releases slabs that are not being written. Call `JobQueue.forget` after it. */
  cancel(error: TransferError): void {
    this.#error = error;
    for (const box of this.#queue.splice(0)) this.release(box);
    for (const box of this.#running) box.lease.cancelJob();
    this.#failure?.abort(error);
    this.#wake();
  }

  /** Resolves when nothing is left to be written. */
  async idle(): Promise<void> {
    while (this.count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  planJob(): number {
    const box = this.#queue[0];
    return box === undefined ? 0 : box.rawBytes + CHUNK_COST_BYTES * box.chunks.length;
  }

  startJob(): JobStart {
    const box = this.#queue.shift() as Box;
    this.#running.add(box);
    box.keep();
    const { slab } = box.lease;
    const fd = this.#sink.kind === 'descriptor' ? this.#sink.fd : null;
    this.#context.jobs.drain({ kind: 'drain', slab, fd, chunks: box.chunks }).then(
      (drained) => this.#answered(box, drained),
      (reason) => this.#died(box, reason),
    );
    return 'posted';
  }

  #answered(box: Box, { written, fault, workMs, writeMs }: Drained): void {
    this.#context.jobs.jobEnded();
    this.#context.jobs.observeJob(this.share, workMs);
    this.#context.counters.jobSeconds.observe(workMs / 1000, 'drain');
    const error = fault === null ? null : this.#errorOf(fault);
    if (this.#sink.kind === 'descriptor') {
      this.#stored(writeMs);
      this.#isWritten(box, written, error);
    } else {
      void this.#store(box, this.#sink, written, error);
      this.#context.jobs.want(this);
    }
  }

  /** Has the store write the verified bytes; `fault` is the error of the rest. */
  async #store(
    box: Box,
    writer: Writer,
    checked: readonly WrittenBytes[],
    fault: TransferError | null,
  ): Promise<void> {
    box.forget();
    // After a failure no write may begin.
    const wanted = this.#error === null ? checked : [];
    const { signal } = this.#failure as AbortController;
    const startMs = performance.now();
    const { written, error } = await writeChecked(writer, box.bytes, wanted, signal);
    this.#stored(performance.now() - startMs);
    this.#isWritten(box, written, error ?? fault);
  }

  #stored(tookMs: number): void {
    this.storageMs += tookMs;
    this.#context.counters.storageSeconds.observe(tookMs / 1000, 'write');
  }

  #isWritten(box: Box, written: readonly WrittenBytes[], error: TransferError | null): void {
    this.#running.delete(box);
    this.release(box);
    if (written.length > 0) this.#listener.written(written);
    if (error !== null) this.#listener.fail(error);
    this.#ended();
  }

  /** Writes are idempotent: once the dead thread has exited, the slab is restored and queued again. */
  #died(box: Box, reason: unknown): void {
    this.#context.jobs.jobEnded();
    box.workerDeaths += 1;
    const untouched = reason instanceof WorkerDied ? reason.untouched : Promise.resolve();
    void untouched.then(() => {
      this.#running.delete(box);
      if (this.#error !== null) {
        this.release(box);
      } else {
        box.restore();
        box.lease.renewJob();
        this.#queue.unshift(box);
      }
      if (box.workerDeaths >= MAX_WORKER_DEATHS) {
        this.#listener.fail(
          new TransferError('INTERNAL', 'worker threads die repeatedly', { cause: reason }),
        );
      }
      this.#ended();
    });
  }

  /** Gives the slab back; its bytes are written, or given up. */
  release(box: Box): void {
    this.share.arrived(box.wireBytes);
    this.#context.slabs.release(box.lease);
  }

  #ended(): void {
    this.#listener.ended();
    this.#wake();
    this.#context.jobs.want(this);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #errorOf(fault: DrainFault): TransferError {
    switch (fault.kind) {
      case 'cancelled':
        return (
          this.#error ?? new TransferError('INTERNAL', 'a job reports a cancellation that nobody asked for')
        );
      case 'corrupt':
        return new TransferError(
          'CHECKSUM_MISMATCH',
          `the chunk at offset ${fault.offset} arrived damaged: ${fault.message}; send it again`,
        );
      case 'failed':
        return this.#sink.kind === 'descriptor'
          ? this.#sink.errorOf(fault.errno, fault.message)
          : new TransferError('INTERNAL', `a job without system calls failed (${fault.errno})`, {
              cause: fault.message,
            });
    }
  }
}
