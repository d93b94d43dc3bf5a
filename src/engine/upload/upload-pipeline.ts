/**
 * One stream of an upload: memory for its chunks until a slab of them is written.
 *
 *   reserve ──bytes arrive──▶ keep ──slab full, slow or flushed──▶ WriteBehind ──▶ written
 *      └──▶ drop
 *
 * A stream starts on the heap with one chunk at a time, which needs a slab only
 * for its job; one that fills chunks fast receives them in slabs. So a sender
 * that stalls holds at most one chunk of heap, and no slab.
 *
 * Invariants: chunks are kept in the order in which they were reserved; at most
 * `jobsInFlight` slabs wait to be written beside the one that is being filled;
 * no job touches the descriptor, and nobody writes to the store, once `close`
 * has resolved.
 */
import assert from 'node:assert/strict';
import { TransferError } from '../../base/errors.ts';
import type { ByteSink } from '../../storage/byte-source.ts';
import type { ActiveStream } from '../active-streams.ts';
import type { WrittenBytes } from '../jobs/job.ts';
import type { Share } from '../jobs/share.ts';
import type { PipelineContext } from '../pipeline-context.ts';
import type { SlabWaiter } from '../slabs/slab-broker.ts';
import type { Sighted, StreamSight } from '../stream-sight.ts';
import { type ArrivedChunk, Box } from './box.ts';
import { WriteBehind, type WriteBehindListener } from './write-behind.ts';

export interface UploadListener {
  /** Memory may be free again, after `reserve` gave none. Never called from within a method of the pipeline. */
  memoryIsFree(): void;
  /** The chunk that is being received continues in `memory`, a copy of its memory so far; the old memory is gone. */
  moveChunk(memory: Uint8Array): void;
  /** Bytes are in the file, as they were sent. Not in order; after `failed`, what was being written still comes. */
  written(ranges: readonly WrittenBytes[]): void;
  /** Once, before `fail` returns: nothing more is taken. The memory reserved last belongs to others from now on: write no byte to it. */
  failed(error: TransferError): void;
}

interface Reservation {
  /** null: on the heap. */
  readonly box: Box | null;
  readonly memory: Uint8Array;
  readonly sinceMs: number;
}

/** Heap memory with a chunk that waits for a slab. */
interface Parked {
  readonly memory: Uint8Array;
  readonly chunk: ArrivedChunk;
}

const NO_HEAP = new Uint8Array(0);

/** A chunk that arrives within this time gets its stream a slab. */
const FAST_MS = 50;

/** A slower chunk loses the slab. */
const SLOW_MS = 250;

export class UploadPipeline implements ActiveStream, SlabWaiter, WriteBehindListener, Sighted {
  /** Bytes of the file that were written. */
  writtenBytes = 0;
  readonly #context: PipelineContext;
  readonly #listener: UploadListener;
  readonly #share: Share;
  readonly #writes: WriteBehind;
  readonly #isLeftInSlab: boolean;
  #box: Box | null = null;
  #reservation: Reservation | null = null;
  #parked: Parked | null = null;
  #isDirect = false;
  /** Memory of the chunk that arrives or is parked, and of the next one. */
  #heap: Uint8Array = NO_HEAP;
  #keptAtMs = 0;
  #wantsMemory = false;
  /** Time without memory for what its sender has sent. */
  #withoutMemoryMs = 0;
  /** Since when there is none; 0 while there is. */
  #withoutMemorySinceMs = 0;
  readonly #beganMs = performance.now();
  #codec: ArrivedChunk['codec'] = 'identity';
  #error: TransferError | null = null;
  #rateTimer: NodeJS.Timeout | null = null;
  readonly #hasRoom = () => this.#offerMemory();
  readonly #waiting: (() => void)[] = [];

  constructor(context: PipelineContext, sink: ByteSink, listener: UploadListener, share: Share) {
    this.#context = context;
    this.#listener = listener;
    this.#share = share;
    this.#writes = new WriteBehind(context, sink, this, share);
    this.#isLeftInSlab = sink.kind === 'writer';
  }

  /** Memory for the next chunk, or null; then `memoryIsFree` follows. */
  reserve(bytes: number): Uint8Array | null {
    assert(this.#reservation === null, 'one chunk arrives at a time');
    if (this.#error !== null) return null;
    this.#wantsMemory = false;
    if (this.#parked !== null || this.#isOverLimits() || !this.#prepare(bytes)) {
      this.#wantsMemory = true;
      if (this.#withoutMemorySinceMs === 0) this.#withoutMemorySinceMs = performance.now();
      return null;
    }
    const sinceMs = performance.now();
    if (this.#withoutMemorySinceMs > 0) {
      this.#withoutMemoryMs += sinceMs - this.#withoutMemorySinceMs;
      this.#withoutMemorySinceMs = 0;
    }
    const box = this.#box;
    const memory = box === null ? this.#heapMemory(bytes) : box.slot(bytes);
    this.#reservation = { box, memory, sinceMs };
    this.#share.began(bytes);
    return memory;
  }

  /** Takes the memory of a first chunk, which arrived before there was a pipeline: it waits for no limit. */
  adopt(memory: Uint8Array): void {
    assert(this.#reservation === null && this.#parked === null, 'only the first chunk is adopted');
    if (this.#error !== null) return;
    this.#heap = memory;
    this.#reservation = { box: null, memory, sinceMs: performance.now() };
    this.#share.began(memory.length);
  }

  /** The chunk that arrived last is to be written. */
  keep(chunk: ArrivedChunk): void {
    const reservation = this.#reservation;
    if (this.#error !== null || reservation === null) return;
    this.#reservation = null;
    this.#codec = chunk.codec;
    this.#keptAtMs = performance.now();
    this.#share.charge(chunk.wireBytes, this.#keptAtMs);
    const tookMs = this.#keptAtMs - reservation.sinceMs;
    if (tookMs < FAST_MS) this.#isDirect = true;
    else if (tookMs > SLOW_MS) this.#isDirect = false;
    if (reservation.box === null) {
      this.#parked = { memory: reservation.memory, chunk };
      this.#unpark();
    } else if (!reservation.box.holds(chunk)) {
      const memory = this.#heapMemory(reservation.memory.length);
      memory.set(reservation.memory); // copy: the decompressed chunk needs a slab of its own
      this.#submit();
      this.#parked = { memory, chunk };
      this.#unpark();
    } else {
      reservation.box.add(chunk);
      // Most chunks of a stream have one size.
      if (!reservation.box.fits(chunk.wireBytes)) this.#submit();
    }
  }

  /** The chunk that arrived last is not wanted. */
  drop(): void {
    if (this.#reservation !== null) this.#share.arrived(this.#reservation.memory.length);
    this.#reservation = null;
  }

  /** Resolves when everything kept so far is written; rejects with the error that ended the pipeline. */
  async flush(): Promise<void> {
    this.#submit();
    await this.#idle();
    if (this.#error !== null) throw this.#error;
  }

  /** Ends the pipeline and drops chunks that are not being written. The first error stays. */
  fail(error: TransferError): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.drop();
    if (this.#parked !== null) this.#share.arrived(this.#parked.chunk.wireBytes);
    this.#parked = null;
    this.#share.forget(this.#hasRoom);
    if (this.#rateTimer !== null) clearTimeout(this.#rateTimer);
    const { jobs, slabs, streams } = this.#context;
    if (this.#box !== null) this.#writes.release(this.#box);
    this.#box = null;
    this.#writes.cancel(error);
    streams.remove(this);
    slabs.forget(this);
    this.#wake();
    this.#listener.failed(error);
    jobs.forget(this.#writes);
  }

  /** Ends the pipeline and resolves when no job touches the descriptor any more. */
  async close(): Promise<void> {
    this.fail(new TransferError('CANCELLED', 'the upload stream has ended'));
    await this.#idle();
  }

  sight(nowMs: number): StreamSight {
    const sinceMs = this.#withoutMemorySinceMs;
    const ownMs = this.#withoutMemoryMs + (sinceMs > 0 ? nowMs - sinceMs : 0);
    return {
      start: 0,
      movedBytes: this.writtenBytes,
      wireBytes: 0,
      inFlightBytes: (this.#box?.rawBytes ?? 0) + this.#writes.pendingBytes,
      peerMs: nowMs - this.#beganMs - ownMs,
      storageMs: this.#writes.storageMs,
      lacksCredit: false,
      coding: this.#codec,
      codingReason: '',
    };
  }

  /** Whether its sender is at work is not known before the bytes are there. */
  isIdle(): boolean {
    return false;
  }

  /** Takes the slab back from a chunk that has been arriving for longer than `limitMs`, and writes what is complete. */
  giveBackIdle(nowMs: number, limitMs: number): void {
    const reservation = this.#reservation;
    if (reservation === null || reservation.box === null) {
      // Whole chunks do not wait for ever for the slab to fill.
      if (this.#box !== null && nowMs - this.#keptAtMs > limitMs) this.#submit();
      return;
    }
    if (nowMs - reservation.sinceMs <= limitMs) return;
    const memory = this.#heapMemory(reservation.memory.length);
    memory.set(reservation.memory); // copy: all of it, because only the receiver knows how far it has come
    this.#reservation = { box: null, memory, sinceMs: reservation.sinceMs };
    this.#isDirect = false;
    this.#listener.moveChunk(memory);
    this.#submit();
    this.#context.jobs.dispatch();
  }

  written(ranges: readonly WrittenBytes[]): void {
    for (const { start, end } of ranges) this.writtenBytes += end - start;
    this.#listener.written(ranges);
  }

  ended(): void {
    this.#offerMemory();
  }

  /** The engine has a slab for a stream that waited for one. */
  slabIsFree(): void {
    if (this.#parked !== null) this.#unpark();
    this.#offerMemory();
  }

  /** True where limits of the owner are reached; the sender gets memory when there is room. */
  #isOverLimits(): boolean {
    if (this.#isAheadOfRate()) return true;
    if (this.#share.mayBegin(this.#hasRoom)) return false;
    this.#submit(); // What this stream waits for may be what it has received.
    return true;
  }

  /** True where the owner's rate must catch up first; the sender gets memory then. */
  #isAheadOfRate(): boolean {
    const waitMs = this.#share.notBeforeMs - performance.now();
    if (waitMs <= 0) return false;
    this.#rateTimer ??= setTimeout(() => {
      this.#rateTimer = null;
      this.#offerMemory();
    }, waitMs);
    return true;
  }

  /** Memory for one chunk, reused because V8 collects garbage for every few MiB that are allocated. */
  #heapMemory(bytes: number): Uint8Array {
    if (this.#heap.length < bytes) this.#heap = Buffer.allocUnsafeSlow(bytes);
    return this.#heap.subarray(0, bytes);
  }

  /** Gets a slab, or permission to use the heap, for a chunk of `bytes`; false when there is neither. */
  #prepare(bytes: number): boolean {
    if (this.#box?.fits(bytes)) return true;
    this.#submit();
    if (this.#writes.count >= this.#context.options.jobsInFlight) return false;
    if (!this.#isDirect) return true;
    this.#heap = NO_HEAP;
    this.#box = this.#take();
    return this.#box !== null;
  }

  #take(): Box | null {
    const lease = this.#context.slabs.leaseToReceive(this);
    if (lease === undefined) return null;
    return new Box(lease, this.#context.options.slabBytes, this.#isLeftInSlab);
  }

  /** Copies the chunk that waits on the heap into a slab of its own, if there is one. */
  #unpark(): void {
    const parked = this.#parked as Parked;
    const box = this.#take();
    if (box === null) return;
    this.#parked = null;
    box.lease.bytes(parked.memory.length).set(parked.memory); // copy: a slow sender must not hold a slab
    box.add(parked.chunk);
    this.#writes.submit(box);
    this.#wake();
  }

  #submit(): void {
    const box = this.#box;
    if (box === null) return;
    this.#box = null;
    if (box.chunks.length === 0) this.#context.slabs.release(box.lease);
    else this.#writes.submit(box);
  }

  #offerMemory(): void {
    if (!this.#wantsMemory || this.#error !== null) return;
    this.#wantsMemory = false;
    this.#listener.memoryIsFree();
  }

  /** Resolves when nothing that was kept is left to be written. */
  async #idle(): Promise<void> {
    while (this.#parked !== null) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await this.#writes.idle();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
