/**
 * One stream of an upload: room for its chunks, jobs that check and write them.
 *
 *   room ──bytes arrive──▶ keep ──slab full, slow or flushed──▶ queued ──turn──▶ running ──▶ written
 *     └──▶ drop                                                              │
 *                                  store has no descriptor ──▶ being stored ─┘
 *
 * A stream starts on the heap with one chunk at a time, which needs a slab only
 * for its job; one that fills chunks fast receives them in slabs. So a sender
 * that stalls holds at most one chunk of heap, and no slab.
 *
 * Invariants: chunks are kept in the order of their rooms; at most
 * `jobsInFlight` slabs are queued or running beside the one that is being
 * filled; no job touches the descriptor, and nobody writes to the store, once
 * `close` has resolved.
 */
import assert from 'node:assert/strict';
import { TransferError } from '../../base/errors.ts';
import { MAX_MESSAGES_PER_SLAB } from '../../base/limits.ts';
import type { ByteSink, Writer } from '../../storage/byte-source.ts';
import type { ActiveStream } from '../active-streams.ts';
import type { DrainChunk, Drained, DrainFault, WrittenBytes } from '../jobs/job.ts';
import type { JobStart, Schedulable } from '../jobs/scheduler.ts';
import { WorkerDied } from '../jobs/worker-pool.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { SlabWaiter } from '../slabs/slab-broker.ts';
import type { Lease } from '../slabs/slab-pool.ts';
import { writeChecked } from './store-write.ts';

export interface UploadListener {
  /** There may be room again, after `room` gave none. Never called from within a method of the pipeline. */
  hasRoom(): void;
  /** The chunk that is being received goes on in `memory`, a copy of its room; its old room is gone. */
  moveChunk(memory: Uint8Array): void;
  /** Bytes are in the file, as they were sent. Not in order; after `failed`, what was being written still comes. */
  written(ranges: readonly WrittenBytes[]): void;
  /** Once, before `fail` returns: nothing more is taken. The last room belongs to others from now on: write no byte to it. */
  failed(error: TransferError): void;
}

/** A slab with checked-in chunks. */
interface Box {
  readonly lease: Lease;
  readonly chunks: DrainChunk[];
  /** Of the slab, used by kept chunks. */
  usedBytes: number;
  rawBytes: number;
  workerDeaths: number;
}

/** Where the chunk that arrives goes. */
interface Room {
  /** null: on the heap. */
  readonly box: Box | null;
  readonly memory: Uint8Array;
  readonly sinceMs: number;
}

/** Heap memory with a chunk that waits for a slab. */
interface Parked {
  readonly memory: Uint8Array;
  readonly chunk: Omit<DrainChunk, 'at'>;
}

const NO_HEAP = new Uint8Array(0);

/** A chunk that arrives within this time earns its stream a slab. */
const FAST_MS = 50;

/** One that takes longer loses it. */
const SLOW_MS = 250;

/** Threads may die of one bad job again and again; this ends it. */
const MAX_WORKER_DEATHS = 5;

/** Compressed chunks of one job are at most this many slabs before compression, and one chunk: about 4 ms of decompression. */
const MAX_INFLATED_SLABS = 4;

/** What posting and checking one chunk costs beside its bytes, in the scheduler's bytes. */
const CHUNK_COST_BYTES = 4096;

export class UploadPipeline implements Schedulable, ActiveStream, SlabWaiter {
  deficitBytes = 0;
  isQueued = false;
  /** Bytes of the file that were written. */
  writtenBytes = 0;
  readonly #context: PipelineContext;
  readonly #sink: ByteSink;
  readonly #listener: UploadListener;
  /** Aborted when the pipeline has failed; only where the store writes. */
  readonly #failure: AbortController | null;
  #box: Box | null = null;
  #room: Room | null = null;
  #parked: Parked | null = null;
  readonly #queue: Box[] = [];
  /** Of these, those whose job has ended are being stored. */
  readonly #running = new Set<Box>();
  #isDirect = false;
  /** Memory of the chunk that arrives or is parked, and of the next one. */
  #heap: Uint8Array = NO_HEAP;
  #keptAtMs = 0;
  #wantsRoom = false;
  #error: TransferError | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(context: PipelineContext, sink: ByteSink, listener: UploadListener) {
    this.#context = context;
    this.#sink = sink;
    this.#listener = listener;
    this.#failure = sink.kind === 'writer' ? new AbortController() : null;
  }

  /** Memory for the next chunk, or null; then `hasRoom` follows. */
  room(bytes: number): Uint8Array | null {
    assert(this.#room === null, 'one chunk arrives at a time');
    if (this.#error !== null) return null;
    this.#wantsRoom = false;
    if (this.#parked !== null || !this.#prepare(bytes)) {
      this.#wantsRoom = true;
      return null;
    }
    const sinceMs = performance.now();
    const box = this.#box;
    const memory =
      box === null
        ? this.#heapMemory(bytes)
        : box.lease.bytes(this.#context.options.slabBytes).subarray(box.usedBytes, box.usedBytes + bytes);
    this.#room = { box, memory, sinceMs };
    return memory;
  }

  /** The chunk that arrived last is to be written. */
  keep(chunk: Omit<DrainChunk, 'at'>): void {
    const room = this.#room;
    if (this.#error !== null || room === null) return;
    this.#room = null;
    this.#keptAtMs = performance.now();
    const tookMs = this.#keptAtMs - room.sinceMs;
    if (tookMs < FAST_MS) this.#isDirect = true;
    else if (tookMs > SLOW_MS) this.#isDirect = false;
    if (room.box === null) {
      this.#parked = { memory: room.memory, chunk };
      this.#unpark();
    } else if (room.box.usedBytes + this.#slotBytes(chunk) > this.#context.options.slabBytes) {
      const memory = this.#heapMemory(room.memory.length);
      memory.set(room.memory); // copy: decompressed it needs a slab of its own
      this.#submit();
      this.#parked = { memory, chunk };
      this.#unpark();
    } else {
      this.#addTo(room.box, chunk);
      // Most chunks of a stream have one size.
      if (!this.#fits(room.box, chunk.wireBytes)) this.#submit();
    }
  }

  /** The chunk that arrived last is not wanted. */
  drop(): void {
    this.#room = null;
  }

  /** Resolves when everything kept so far is written; rejects with the error that ended the pipeline. */
  async flush(): Promise<void> {
    this.#submit();
    await this.#idle();
    if (this.#error !== null) throw this.#error;
  }

  /** Ends the pipeline; what is not being written yet is let go. The first error stays. */
  fail(error: TransferError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#room = null;
    this.#parked = null;
    const boxes = this.#queue.splice(0);
    if (this.#box !== null) boxes.push(this.#box);
    this.#box = null;
    for (const box of boxes) this.#release(box);
    for (const box of this.#running) box.lease.cancelJob();
    this.#failure?.abort(error);
    const { jobs, slabs, streams } = this.#context;
    streams.remove(this);
    slabs.forget(this);
    this.#wake();
    this.#listener.failed(error);
    jobs.forget(this);
  }

  /** Ends the pipeline and resolves when no job touches the descriptor any more. */
  async close(): Promise<void> {
    this.fail(new TransferError('CANCELLED', 'the upload stream has ended'));
    await this.#idle();
  }

  /** Whether its sender is at work is not known before the bytes are there. */
  isIdle(): boolean {
    return false;
  }

  /** Takes the slab back from a chunk that has been arriving for longer than `limitMs`, and writes what is complete. */
  giveBackIdle(nowMs: number, limitMs: number): void {
    const room = this.#room;
    if (room === null || room.box === null) {
      // Whole chunks wait for the slab to fill, but not for ever.
      if (this.#box !== null && nowMs - this.#keptAtMs > limitMs) this.#submit();
      return;
    }
    if (nowMs - room.sinceMs <= limitMs) return;
    const memory = this.#heapMemory(room.memory.length);
    memory.set(room.memory); // copy: all of it, because only the receiver knows how far it has come
    this.#room = { box: null, memory, sinceMs: room.sinceMs };
    this.#isDirect = false;
    this.#listener.moveChunk(memory);
    this.#submit();
    this.#context.jobs.dispatch();
  }

  planJob(): number {
    const box = this.#queue[0];
    return box === undefined ? 0 : box.rawBytes + CHUNK_COST_BYTES * box.chunks.length;
  }

  startJob(): JobStart {
    const box = this.#queue.shift() as Box;
    this.#running.add(box);
    const { slab } = box.lease;
    const fd = this.#sink.kind === 'descriptor' ? this.#sink.fd : null;
    this.#context.jobs.drain({ kind: 'drain', slab, fd, chunks: box.chunks }).then(
      (drained) => this.#answered(box, drained),
      (reason) => this.#died(box, reason),
    );
    return 'posted';
  }

  /** The engine has a slab for a stream that waited for one. */
  slabIsFree(): void {
    if (this.#parked !== null) this.#unpark();
    this.#offerRoom();
  }

  /** The stream's own memory for one chunk: used again, because V8 collects for every few MiB that are allocated. */
  #heapMemory(bytes: number): Uint8Array {
    if (this.#heap.length < bytes) this.#heap = Buffer.allocUnsafeSlow(bytes);
    return this.#heap.subarray(0, bytes);
  }

  /** Sees to a slab, or leave to use the heap, for a chunk of `bytes`; false when there is neither now. */
  #prepare(bytes: number): boolean {
    if (this.#box !== null && this.#fits(this.#box, bytes)) return true;
    this.#submit();
    if (this.#queue.length + this.#running.size >= this.#context.options.jobsInFlight) return false;
    if (!this.#isDirect) return true;
    this.#heap = NO_HEAP;
    this.#box = this.#take();
    return this.#box !== null;
  }

  /** Tiny chunks and those that inflate are bounded by what they cost beside their bytes. */
  #fits(box: Box, bytes: number): boolean {
    const { slabBytes } = this.#context.options;
    return (
      box.usedBytes + bytes <= slabBytes &&
      box.chunks.length < MAX_MESSAGES_PER_SLAB &&
      box.rawBytes < MAX_INFLATED_SLABS * slabBytes
    );
  }

  #take(): Box | null {
    const lease = this.#context.slabs.leaseToReceive(this);
    return lease === undefined ? null : { lease, chunks: [], usedBytes: 0, rawBytes: 0, workerDeaths: 0 };
  }

  /** Copies the chunk that waits on the heap into a slab of its own, if there is one. */
  #unpark(): void {
    const parked = this.#parked as Parked;
    const box = this.#take();
    if (box === null) return;
    this.#parked = null;
    box.lease.bytes(parked.memory.length).set(parked.memory); // copy: a slow sender must not hold a slab
    this.#addTo(box, parked.chunk);
    this.#queue.push(box);
    this.#context.jobs.want(this);
  }

  #submit(): void {
    const box = this.#box;
    if (box === null) return;
    this.#box = null;
    if (box.chunks.length === 0) {
      this.#release(box);
      return;
    }
    this.#queue.push(box);
    this.#context.jobs.want(this);
  }

  #answered(box: Box, { written, fault, workMs }: Drained): void {
    this.#context.jobs.jobEnded();
    this.#context.jobs.observeJob(workMs);
    const error = fault === null ? null : this.#errorOf(fault);
    if (this.#sink.kind === 'descriptor') {
      this.#isWritten(box, written, error);
    } else {
      void this.#store(box, this.#sink, written, error);
      this.#context.jobs.want(this);
    }
  }

  /** Has the store write what was checked; `fault` is what is wrong with the rest. */
  async #store(
    box: Box,
    writer: Writer,
    checked: readonly WrittenBytes[],
    fault: TransferError | null,
  ): Promise<void> {
    // Who failed meanwhile has been told that nothing more begins.
    const wanted = this.#error === null ? checked : [];
    const slab = box.lease.bytes(this.#context.options.slabBytes);
    const { signal } = this.#failure as AbortController;
    const { written, error } = await writeChecked(writer, slab, wanted, signal);
    this.#isWritten(box, written, error ?? fault);
  }

  #isWritten(box: Box, written: readonly WrittenBytes[], error: TransferError | null): void {
    this.#running.delete(box);
    this.#release(box);
    for (const { start, end } of written) this.writtenBytes += end - start;
    if (written.length > 0) this.#listener.written(written);
    if (error !== null) this.fail(error);
    this.#offerRoom();
    this.#wake();
    this.#context.jobs.want(this);
  }

  /** The slab is whole and writing is repeatable: once the dead thread has exited, it is queued again. */
  #died(box: Box, reason: unknown): void {
    this.#context.jobs.jobEnded();
    box.workerDeaths += 1;
    const untouched = reason instanceof WorkerDied ? reason.untouched : Promise.resolve();
    void untouched.then(() => {
      this.#running.delete(box);
      if (this.#error !== null) {
        this.#release(box);
      } else {
        box.lease.renewJob();
        this.#queue.unshift(box);
      }
      if (box.workerDeaths >= MAX_WORKER_DEATHS) {
        this.fail(new TransferError('INTERNAL', 'worker threads die repeatedly', { cause: reason }));
      }
      this.#wake();
      this.#context.jobs.want(this);
    });
  }

  #release(box: Box): void {
    this.#context.slabs.release(box.lease);
  }

  #offerRoom(): void {
    if (!this.#wantsRoom || this.#error !== null) return;
    this.#wantsRoom = false;
    this.#listener.hasRoom();
  }

  /** Resolves when nothing is queued or running. */
  async #idle(): Promise<void> {
    while (this.#queue.length + this.#running.size > 0 || this.#parked !== null) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Of the slab, for a chunk: where its bytes are to be left there, as many as those are. */
  #slotBytes({ rawBytes, wireBytes }: Omit<DrainChunk, 'at'>): number {
    return this.#sink.kind === 'writer' ? Math.max(rawBytes, wireBytes) : wireBytes;
  }

  #addTo(box: Box, chunk: Omit<DrainChunk, 'at'>): void {
    box.chunks.push({ ...chunk, at: box.usedBytes });
    box.usedBytes += this.#slotBytes(chunk);
    box.rawBytes += chunk.rawBytes;
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
