/**
 * Writes a partial file from its queue, off the event loop, in order: one `pwrite` at a
 * time. Chunks are copied into a few reused buffers, which coalesces small chunks of a
 * run and frees each message at once. After an error nothing more is written.
 *
 *   push ─▶ | filling | ─▶ ready, ready ─▶ a pwrite for each run in it ─▶ free ─▶ filling …
 */
import { Buffer } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import type { TransferError } from '../../../base/errors.ts';
import { writeFully } from '../../../base/files/write-fully.ts';
import { combineCrc32 } from '../../../wire/crc32.ts';
import { WRITE_BUFFER_BYTES, WRITE_QUEUE_BYTES } from '../../limits.ts';
import { localError } from '../../local-error.ts';
import type { WrittenRun } from './written-ranges.ts';

export interface WriterListener {
  /** The queue was full and is half empty. */
  onDrained(): void;
  /** A run has grown. */
  onWritten(): void;
  onWriteFailed(error: TransferError): void;
}

/** Whole chunks that follow each other in the partial file. */
interface Piece {
  readonly run: WrittenRun;
  bytes: number;
  crc32: number;
}

interface Gathered {
  readonly buffer: Uint8Array;
  usedBytes: number;
  /** In the order in which they lie in the buffer. */
  readonly pieces: Piece[];
}

export class PartialFileWriter {
  /** Set at WRITE_QUEUE_BYTES, cleared at half of that. */
  isFull = false;
  readonly #writeSome: (bytes: Uint8Array, position: number) => Promise<number>;
  readonly #path: string;
  readonly #listener: WriterListener;
  readonly #free: Buffer[] = [];
  readonly #ready: Gathered[] = [];
  #filling: Gathered | undefined;
  #queuedBytes = 0;
  #failure: TransferError | undefined;
  #running: Promise<void> | undefined;

  /** @param path names the partial file in errors */
  constructor(handle: FileHandle, path: string, listener: WriterListener) {
    this.#writeSome = async (bytes, position) =>
      (await handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten;
    this.#path = path;
    this.#listener = listener;
  }

  /** Queues a chunk behind what was pushed of its run, and owns it. */
  push(run: WrittenRun, bytes: Uint8Array, crc32: number): void {
    if (this.#failure !== undefined) return;
    this.#gather(run, bytes, crc32);
    run.queuedBytes += bytes.byteLength;
    this.#queuedBytes += bytes.byteLength;
    this.isFull ||= this.#queuedBytes >= WRITE_QUEUE_BYTES;
    this.#running ??= this.#run();
  }

  /** Resolves when the queue is written; rejects with LOCAL_IO when a write failed. */
  async idle(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #gather(run: WrittenRun, bytes: Uint8Array, crc32: number): void {
    const { byteLength } = bytes;
    if ((this.#filling?.usedBytes ?? 0) + byteLength > WRITE_BUFFER_BYTES) this.#finishFilling();
    if (byteLength > WRITE_BUFFER_BYTES) {
      this.#ready.push({ buffer: bytes, usedBytes: byteLength, pieces: [{ run, bytes: byteLength, crc32 }] });
      return;
    }
    this.#filling ??= { buffer: this.#takeBuffer(), usedBytes: 0, pieces: [] };
    const { buffer, pieces, usedBytes } = this.#filling;
    // copy: messages that wait for a write outlive young garbage collections, and full collections cost more.
    buffer.set(bytes, usedBytes);
    this.#filling.usedBytes += byteLength;
    const last = pieces.at(-1);
    if (last?.run === run) {
      last.bytes += byteLength;
      last.crc32 = combineCrc32(last.crc32, crc32, byteLength);
    } else pieces.push({ run, bytes: byteLength, crc32 });
  }

  #takeBuffer(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(WRITE_BUFFER_BYTES);
  }

  #finishFilling(): void {
    if (this.#filling !== undefined) this.#ready.push(this.#filling);
    this.#filling = undefined;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#write(next);
    } catch (cause) {
      this.#failure = localError('cannot write', this.#path, cause);
      this.#ready.length = 0;
      this.#filling = undefined;
      this.#listener.onWriteFailed(this.#failure);
    } finally {
      this.#running = undefined;
    }
  }

  #next(): Gathered | undefined {
    if (this.#ready.length === 0) this.#finishFilling();
    return this.#ready.shift();
  }

  async #write({ buffer, pieces, usedBytes }: Gathered): Promise<void> {
    let at = 0;
    for (const { run, bytes, crc32 } of pieces) {
      await writeFully(this.#writeSome, buffer.subarray(at, at + bytes), run.end);
      run.wrote(bytes, crc32);
      at += bytes;
    }
    if (buffer.byteLength === WRITE_BUFFER_BYTES) this.#free.push(buffer as Buffer);
    this.#queuedBytes -= usedBytes;
    this.#listener.onWritten();
    if (!this.isFull || this.#queuedBytes > WRITE_QUEUE_BYTES / 2) return;
    this.isFull = false;
    this.#listener.onDrained();
  }
}
