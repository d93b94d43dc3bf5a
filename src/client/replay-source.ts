/**
 * A stream as the source: read once, in order. Bytes that are not durable on
 * the server yet are kept, to be sent again after an interruption; at the limit
 * the stream is not read on.
 *
 *   released        kept                       limit
 *   ───────────┼────────────────────┼─────────────┼──────▶
 *         #base ─────────────── #keptEnd      read from the stream up to here
 *
 * Large pieces are kept as the stream handed them over, which gives them away.
 * Small ones are gathered into blocks: a million objects of a few bytes each
 * would cost more than the bytes.
 */
import { Buffer } from 'node:buffer';
import { TransferError } from '../base/errors.ts';
import { cancelledBy } from './channel.ts';
import { GATHER_BLOCK_BYTES, SOURCE_GATHER_MS, SOURCE_IDLE_MS } from './limits.ts';
import type { SourcePieces } from './source-pieces.ts';
import type { OpenSource, ReadOutcome } from './upload-source.ts';

interface Kept {
  readonly start: number;
  /** Grows only while the piece is the gathering block. */
  bytes: Uint8Array;
}

/** Somebody who waits for the stream. */
interface Waiter {
  readonly isMet: () => boolean;
  resolve: () => void;
}

export class ReplaySource implements OpenSource {
  readonly isSeekable = false;
  readonly identity = undefined;
  onPressed: (() => void) | undefined;
  readonly #pieces: SourcePieces;
  readonly #limitBytes: number;
  readonly #kept: Kept[] = [];
  /** Memory behind the last piece, when it is a block with room left. */
  #block: Buffer | undefined;
  #base = 0;
  #keptEnd = 0;
  #hasEnded = false;
  #failure: TransferError | undefined;
  #isPulling = false;
  #isClosed = false;
  readonly #waiters = new Set<Waiter>();

  /** @param limitBytes the most bytes to keep; one piece of the stream may reach beyond */
  constructor(pieces: SourcePieces, limitBytes: number) {
    this.#pieces = pieces;
    this.#limitBytes = limitBytes;
    this.#pull();
  }

  get size(): number | undefined {
    return this.#hasEnded ? this.#keptEnd : undefined;
  }

  /** The stream is not read on. */
  get isFull(): boolean {
    return this.#keptEnd - this.#base >= this.#limitBytes && !this.#hasEnded;
  }

  get isPressed(): boolean {
    return this.#keptEnd - this.#base >= this.#limitBytes / 2 && !this.#hasEnded;
  }

  get releasedBytes(): number {
    return this.#base;
  }

  async read(target: Uint8Array, offset: number): Promise<ReadOutcome> {
    if (offset < this.#base) throw new Error('bytes that were released are asked for again');
    await this.#wait(() => this.#keptEnd > offset, SOURCE_IDLE_MS);
    // Full messages cost less, and a busy stream has its next piece in a moment.
    const enough = offset + target.byteLength;
    if (this.#keptEnd > offset)
      await this.#wait(() => this.#keptEnd >= enough || this.isFull, SOURCE_GATHER_MS);
    const bytes = this.#copy(target, offset);
    if (bytes > 0) return bytes;
    if (this.#failure !== undefined) throw this.#failure;
    return this.#hasEnded ? 'end' : 'idle';
  }

  async readable(offset: number, signal: AbortSignal): Promise<void> {
    await this.#wait(() => this.#keptEnd > offset, undefined, signal);
    if (this.#keptEnd <= offset && this.#failure !== undefined) throw this.#failure;
  }

  release(offset: number): void {
    const upTo = Math.min(offset, this.#keptEnd);
    if (upTo <= this.#base) return;
    this.#base = upTo;
    const keep = this.#kept.findIndex(({ bytes, start }) => start + bytes.byteLength > upTo);
    if (keep < 0) this.#block = undefined;
    this.#kept.splice(0, keep < 0 ? this.#kept.length : keep);
    this.#pull();
  }

  async checkUnchanged(): Promise<void> {}

  /** Nothing is gone yet: it can be sent from the beginning. */
  async reopen(): Promise<boolean> {
    return this.#base === 0;
  }

  async close(error?: Error): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#kept.length = 0;
    this.#block = undefined;
    this.#wake();
    if (!this.#hasEnded) this.#pieces.cancel(error);
  }

  get #isOver(): boolean {
    return this.#hasEnded || this.#failure !== undefined || this.#isClosed;
  }

  /** Resolves when `isMet`, when the stream is over, after `patienceMs`; rejects when aborted. */
  async #wait(isMet: () => boolean, patienceMs?: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw cancelledBy(signal);
    if (isMet() || this.#isOver) return;
    const waiter: Waiter = { isMet, resolve: () => {} };
    const timer = patienceMs === undefined ? undefined : setTimeout(() => waiter.resolve(), patienceMs);
    const onAbort = () => waiter.resolve();
    signal?.addEventListener('abort', onAbort);
    this.#waiters.add(waiter);
    await new Promise<void>((resolve) => {
      waiter.resolve = resolve;
      this.#pull();
    });
    this.#waiters.delete(waiter);
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    if (signal?.aborted) throw cancelledBy(signal);
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isMet() && !this.#isOver) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Reads on as long as somebody waits for more and there is room. */
  #pull(): void {
    if (this.#isPulling || this.#isOver || this.isFull) return;
    // The first piece is read at once: a stream that fails before anybody listens would end the process.
    if (this.#waiters.size === 0 && this.#keptEnd > 0) return;
    this.#isPulling = true;
    void this.#pullOnce().then(() => {
      this.#isPulling = false;
      this.#wake();
      this.#pull();
    });
  }

  /** Never rejects. */
  async #pullOnce(): Promise<void> {
    try {
      const { done, value } = await this.#pieces.next();
      if (this.#isClosed) return;
      if (done === true) this.#hasEnded = true;
      else this.#keep(bytesOf(value));
    } catch (cause) {
      this.#failure = sourceFailed(cause);
    }
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    if (bytes.byteLength < GATHER_BLOCK_BYTES / 4) this.#gather(bytes);
    else {
      this.#block = undefined;
      this.#kept.push({ start: this.#keptEnd, bytes });
    }
    const wasPressed = this.isPressed;
    this.#keptEnd += bytes.byteLength;
    if (!wasPressed && this.isPressed) this.onPressed?.();
  }

  #gather(bytes: Uint8Array): void {
    const last = this.#kept.at(-1);
    const used = last?.bytes.byteLength ?? 0;
    if (this.#block === undefined || last === undefined || used + bytes.byteLength > GATHER_BLOCK_BYTES) {
      this.#block = Buffer.allocUnsafeSlow(GATHER_BLOCK_BYTES);
      this.#block.set(bytes);
      this.#kept.push({ start: this.#keptEnd, bytes: this.#block.subarray(0, bytes.byteLength) });
      return;
    }
    // copy: small pieces side by side.
    this.#block.set(bytes, used);
    last.bytes = this.#block.subarray(0, used + bytes.byteLength);
  }

  #copy(target: Uint8Array, offset: number): number {
    let done = 0;
    for (const { bytes, start } of this.#kept) {
      const from = offset + done - start;
      if (from >= bytes.byteLength) continue;
      const piece = bytes.subarray(from, from + target.byteLength - done);
      // copy: a message is its header and its chunk in one piece, and the original is kept.
      target.set(piece, done);
      done += piece.byteLength;
      if (done === target.byteLength) break;
    }
    return done;
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TransferError(
    'INVALID_ARGUMENT',
    `the source yields ${value === null ? 'null' : typeof value}s; it must yield bytes (Uint8Array, Buffer)`,
  );
}

function sourceFailed(cause: unknown): TransferError {
  if (cause instanceof TransferError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TransferError('LOCAL_IO', `reading the source failed: ${reason}`, { cause });
}
