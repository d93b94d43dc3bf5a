/**
 * The consumer of `stream()` as the target: a bounded queue between the call and
 * the iteration.
 */
import type { TransferError } from '../../../base/errors.ts';
import { STREAM_QUEUE_BYTES } from '../../limits.ts';
import { ownedChunk } from './owned-chunk.ts';
import type { OrderedSink, SinkListener } from './sink.ts';

export class IteratorSink implements OrderedSink {
  readonly isRewindable = false;
  readonly needsCrc32 = false;
  listener: SinkListener | undefined;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  #isFinished = false;
  #error: TransferError | undefined;
  #wake: (() => void) | undefined;

  get isFull(): boolean {
    return this.#queuedBytes >= STREAM_QUEUE_BYTES;
  }

  begin(): void {}

  write(bytes: Uint8Array): void {
    this.#chunks.push(ownedChunk(bytes));
    this.#queuedBytes += bytes.byteLength;
    this.#wake?.();
  }

  async finish(): Promise<void> {
    this.#isFinished = true;
    this.#wake?.();
  }

  async abandon(error: TransferError): Promise<void> {
    this.#error = error;
    this.#wake?.();
  }

  /**
   * Everything queued, as soon as there is something; empty at the end of the
   * transfer. Rejects with the transfer's error after the chunks before it.
   * One caller at a time; the transfer goes on while it works through a batch.
   */
  async nextBatch(): Promise<readonly Uint8Array<ArrayBuffer>[]> {
    while (this.#chunks.length === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#isFinished) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return this.#takeAll();
  }

  #takeAll(): readonly Uint8Array<ArrayBuffer>[] {
    const batch = this.#chunks;
    const wasFull = this.isFull;
    this.#chunks = [];
    this.#queuedBytes = 0;
    if (wasFull) this.listener?.onDrained();
    return batch;
  }
}
