/**
 * Writes a partial file from its queue, off the event loop, in order: one `pwrite` at a
 * time, of everything gathered meanwhile. Chunks are copied into a few reused
 * buffers, which coalesces small chunks and frees each message at once. After an
 * error nothing more is written.
 *
 *   push ─▶ | filling | ─▶ ready, ready ─▶ pwrite ─▶ free ─▶ filling …
 */
import { Buffer } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import type { TransferError } from '../../../base/errors.ts';
import { writeFully } from '../../../base/files/write-fully.ts';
import { WRITE_BUFFER_BYTES, WRITE_QUEUE_BYTES } from '../../limits.ts';
import { localError } from '../../local-error.ts';

export interface WriterListener {
  /** The queue was full and is half empty. */
  onDrained(): void;
  /** `writtenBytes` has grown. */
  onWritten(): void;
  onWriteFailed(error: TransferError): void;
}

interface Gathered {
  readonly buffer: Uint8Array;
  usedBytes: number;
  /** CRC-32 of the partial file up to the end of these bytes. */
  crc32: number;
}

export class PartialFileWriter {
  /** All bytes before this were written; always the end of a chunk. */
  writtenBytes = 0;
  /** CRC-32 of the written bytes. */
  writtenCrc32 = 0;
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

  /** Queues bytes and owns them. `crc32` is that of the partial file up to their end. */
  push(bytes: Uint8Array, crc32: number): void {
    if (this.#failure !== undefined) return;
    this.#gather(bytes, crc32);
    this.#queuedBytes += bytes.byteLength;
    this.isFull ||= this.#queuedBytes >= WRITE_QUEUE_BYTES;
    this.#running ??= this.#run();
  }

  /** Resolves when the queue is written; rejects with LOCAL_IO when a write failed. */
  async idle(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Continues after the first `bytes` bytes, whose CRC-32 is `crc32`. Only while idle. */
  seek(bytes: number, crc32: number): void {
    this.writtenBytes = bytes;
    this.writtenCrc32 = crc32;
  }

  #gather(bytes: Uint8Array, crc32: number): void {
    if ((this.#filling?.usedBytes ?? 0) + bytes.byteLength > WRITE_BUFFER_BYTES) this.#finishFilling();
    if (bytes.byteLength > WRITE_BUFFER_BYTES) {
      this.#ready.push({ buffer: bytes, usedBytes: bytes.byteLength, crc32 });
      return;
    }
    this.#filling ??= { buffer: this.#takeBuffer(), usedBytes: 0, crc32 };
    // copy: messages that wait for a write outlive young garbage collections, and full collections cost more.
    this.#filling.buffer.set(bytes, this.#filling.usedBytes);
    this.#filling.usedBytes += bytes.byteLength;
    this.#filling.crc32 = crc32;
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

  async #write({ buffer, usedBytes, crc32 }: Gathered): Promise<void> {
    await writeFully(this.#writeSome, buffer.subarray(0, usedBytes), this.writtenBytes);
    if (buffer.byteLength === WRITE_BUFFER_BYTES) this.#free.push(buffer as Buffer);
    this.writtenBytes += usedBytes;
    this.writtenCrc32 = crc32;
    this.#queuedBytes -= usedBytes;
    this.#listener.onWritten();
    if (!this.isFull || this.#queuedBytes > WRITE_QUEUE_BYTES / 2) return;
    this.isFull = false;
    this.#listener.onDrained();
  }
}
