/**
 * A Node Writable as the target. Its own back-pressure is the sink's: full from
 * a `write` that returns false to the next `drain`.
 */
import { Buffer } from 'node:buffer';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import type { OrderedSink, SinkListener } from './sink.ts';

export class WritableSink implements OrderedSink {
  readonly isRewindable = false;
  readonly needsCrc32 = false;
  isFull = false;
  listener: SinkListener | undefined;
  readonly #target: Writable;
  readonly #ends: boolean;
  readonly #onDrain = () => {
    this.isFull = false;
    this.listener?.onDrained();
  };
  readonly #onError = (cause: Error) => this.listener?.onFailed(targetFailed(cause));
  readonly #onClose = () => this.listener?.onFailed(targetClosed());

  /** @param ends whether `finish` ends the target and `abandon` destroys it */
  constructor(target: Writable, ends: boolean) {
    if (target.destroyed || target.writableEnded) throw targetClosed();
    this.#target = target;
    this.#ends = ends;
    target.on('drain', this.#onDrain).on('error', this.#onError).on('close', this.#onClose);
    this.isFull = target.writableNeedDrain;
  }

  begin(): void {}

  write(bytes: Uint8Array): void {
    this.isFull = !this.#target.write(bytes);
  }

  async finish(): Promise<void> {
    this.#target.off('close', this.#onClose);
    await new Promise<void>((resolve, reject) => {
      const settle = (cause: Error | null | undefined) => (cause ? reject(targetFailed(cause)) : resolve());
      if (this.#ends) finished(this.#target.end(), { readable: false }, settle);
      // The callback of an empty write comes after all earlier writes.
      else this.#target.write(NOTHING, settle);
    });
    this.#detach();
  }

  async abandon(error: TransferError): Promise<void> {
    // Destroying with an error emits it, and the owner may have no listener.
    if (this.#ends && !this.#target.destroyed) this.#target.on('error', () => {}).destroy(error);
    this.#detach();
  }

  #detach(): void {
    this.#target.off('drain', this.#onDrain).off('error', this.#onError).off('close', this.#onClose);
  }
}

const NOTHING = Buffer.alloc(0);

function targetFailed(cause: Error): TransferError {
  const errno = errnoOf(cause);
  return new TransferError('LOCAL_IO', `writing to the target failed: ${errno ?? cause.message}`, { cause });
}

function targetClosed(): TransferError {
  return new TransferError('LOCAL_IO', 'the target was closed before the last byte');
}
