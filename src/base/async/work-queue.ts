/** A bounded queue between those who put and those who take; both wait. */
export class WorkQueue<T> {
  readonly #limit: number;
  readonly #items: T[] = [];
  readonly #takers: ((item: T | undefined) => void)[] = [];
  readonly #putters: (() => void)[] = [];
  #isClosed = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Items that nobody has taken. */
  get length(): number {
    return this.#items.length;
  }

  /** Somebody waits for an item. */
  get isHungry(): boolean {
    return this.#takers.length > 0;
  }

  /** Resolves when there is space for more; also when the queue was closed, and the item is not taken then. */
  async put(item: T): Promise<void> {
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker(item);
      return;
    }
    this.#items.push(item);
    if (this.#items.length >= this.#limit && !this.#isClosed)
      await new Promise<void>((resolve) => this.#putters.push(resolve));
  }

  /** The next item; undefined once the queue is closed and empty. */
  take(): Promise<T | undefined> {
    const item = this.#items.shift();
    this.#putters.shift()?.();
    if (item !== undefined || this.#isClosed) return Promise.resolve(item);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** No more items come. */
  close(): void {
    this.#isClosed = true;
    for (const taker of this.#takers.splice(0)) taker(undefined);
    for (const resolve of this.#putters.splice(0)) resolve();
  }
}
