/** What a request has received, in order, until its consumer takes it; then the end, or the error. Bounded by credit. */
import type { TransferError } from '../../base/errors.ts';

export class TakeQueue<Item> {
  readonly #items: Item[] = [];
  #isEnded = false;
  #error: TransferError | undefined;
  #wake: (() => void) | undefined;

  push(item: Item): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Nothing follows; with an error, that is thrown behind the last item. */
  end(error: TransferError | undefined): void {
    this.#isEnded = true;
    this.#error = error;
    this.#wake?.();
  }

  /** The next item; undefined behind the last. One caller at a time. */
  async next(): Promise<Item | undefined> {
    while (this.#items.length === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#isEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return this.#items.shift();
  }
}
