/**
 * Reads a plan a bounded number of files ahead of the transfers, so that the
 * totals of a small plan are known early, and a large one is never held whole.
 */
import { TransferError } from '../../../base/errors.ts';

/** Each planned file is a few hundred bytes. */
const LOOK_AHEAD_ITEMS = 4096;

export class LookAhead<T> {
  readonly #source: AsyncIterator<T, unknown>;
  readonly #onItem: (item: T) => void;
  readonly #limit: number;
  readonly #items: T[] = [];
  #firstIndex = 0;
  #isReading = false;
  #hasEnded = false;
  #failure: TransferError | undefined;
  #wake: (() => void)[] = [];

  /** `onItem` is told of each item as soon as it is read. */
  constructor(source: AsyncIterable<T>, onItem: (item: T) => void, limit: number = LOOK_AHEAD_ITEMS) {
    this.#source = source[Symbol.asyncIterator]();
    this.#onItem = onItem;
    this.#limit = limit;
  }

  /** The source has no more than what was read. */
  get isComplete(): boolean {
    return this.#hasEnded && this.#failure === undefined;
  }

  /** Items that were read and not taken. */
  get waiting(): number {
    return this.#items.length - this.#firstIndex;
  }

  /** The next item, or undefined at the end. Any number may wait. Throws what the source throws, behind all items before it. */
  async next(): Promise<T | undefined> {
    for (;;) {
      void this.#readAhead();
      if (this.waiting > 0) return this.#take();
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded) return undefined;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Ends the source. */
  async close(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#failure ??= new TransferError('CANCELLED', 'the plan was closed');
    await this.#source.return?.();
  }

  #take(): T {
    const item = this.#items[this.#firstIndex] as T;
    this.#firstIndex += 1;
    if (this.#firstIndex > this.#items.length / 2 && this.#firstIndex > 64) {
      this.#items.splice(0, this.#firstIndex);
      this.#firstIndex = 0;
    }
    return item;
  }

  async #readAhead(): Promise<void> {
    if (this.#isReading || this.#hasEnded) return;
    this.#isReading = true;
    try {
      while (!this.#hasEnded && this.waiting < this.#limit) {
        const { done, value } = await this.#source.next();
        if (done === true) this.#hasEnded = true;
        else if (!this.#hasEnded) {
          this.#items.push(value);
          this.#onItem(value);
        }
        this.#wakeAll();
      }
    } catch (reason) {
      this.#failure ??= TransferError.from(reason);
      this.#hasEnded = true;
      this.#wakeAll();
    } finally {
      this.#isReading = false;
    }
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}
