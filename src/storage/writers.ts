/**
 * The open writers of one upload. Writers that were told to stop may still have
 * jobs under way; until they have closed, reports of written bytes are ignored,
 * and no new writer is let in.
 */
import type { ByteSink } from './byte-source.ts';
import type { UploadWriter } from './upload-store.ts';

type OnFailed = (error: Error) => void;

export class Writers {
  readonly #open = new Map<UploadWriter, OnFailed>();
  readonly #failed = new Set<UploadWriter>();
  #waiting: (() => void)[] = [];

  /** Whether all bytes noted now come from writers that may go on. */
  get areGood(): boolean {
    return this.#failed.size === 0;
  }

  get isEmpty(): boolean {
    return this.#open.size + this.#failed.size === 0;
  }

  /** A writer to `sink`; `onClosed` runs once, when it has closed. */
  add(sink: ByteSink, onFailed: OnFailed, onClosed: () => Promise<void>): UploadWriter {
    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= this.#close(writer, onClosed);
      return closed;
    };
    const writer: UploadWriter = { sink, close };
    this.#open.set(writer, onFailed);
    return writer;
  }

  /** Tells all of them to stop and close. */
  fail(error: Error): void {
    const failing = [...this.#open];
    this.#open.clear();
    for (const [writer] of failing) this.#failed.add(writer);
    for (const [, onFailed] of failing) onFailed(error);
  }

  /** Resolves when no failed writer is open. */
  async goodAgain(): Promise<void> {
    while (!this.areGood) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #close(writer: UploadWriter, onClosed: () => Promise<void>): Promise<void> {
    this.#open.delete(writer);
    this.#failed.delete(writer);
    if (this.areGood) {
      for (const resolve of this.#waiting) resolve();
      this.#waiting = [];
    }
    await onClosed();
  }
}
