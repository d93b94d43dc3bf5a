/** A WHATWG WritableStream as the target. Full while its queue is. */
import { TransferError } from '../../../base/errors.ts';
import { ownedChunk } from './owned-chunk.ts';
import type { OrderedSink, SinkListener } from './sink.ts';

export class WebSink implements OrderedSink {
  readonly isRewindable = false;
  readonly needsCrc32 = false;
  listener: SinkListener | undefined;
  isFull = false;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ends: boolean;
  #lastWrite: Promise<void> = Promise.resolve();

  /**
   * Locks the stream until the transfer is over.
   * @param ends whether `finish` closes the stream and `abandon` aborts it
   */
  constructor(target: WritableStream<Uint8Array>, ends: boolean) {
    if (target.locked) throw new TransferError('INVALID_ARGUMENT', 'the target stream is locked to a writer');
    this.#writer = target.getWriter();
    this.#ends = ends;
    this.#writer.closed.catch((cause: unknown) => this.listener?.onFailed(targetFailed(cause)));
  }

  begin(): void {}

  write(bytes: Uint8Array): void {
    this.#lastWrite = this.#writer.write(ownedChunk(bytes));
    // A failed write also rejects `closed`, which reports it.
    this.#lastWrite.catch(() => {});
    if (this.isFull || (this.#writer.desiredSize ?? 0) > 0) return;
    this.isFull = true;
    this.#writer.ready.then(
      () => {
        this.isFull = false;
        this.listener?.onDrained();
      },
      () => {},
    );
  }

  async finish(): Promise<void> {
    try {
      await (this.#ends ? this.#writer.close() : this.#lastWrite);
    } catch (cause) {
      throw targetFailed(cause);
    }
    this.#writer.releaseLock();
  }

  async abandon(error: TransferError): Promise<void> {
    if (this.#ends) await this.#writer.abort(error).catch(() => {});
    this.#writer.releaseLock();
  }
}

function targetFailed(cause: unknown): TransferError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TransferError('LOCAL_IO', `writing to the target stream failed: ${reason}`, { cause });
}
