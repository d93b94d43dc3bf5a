/** A first-in, first-out queue that costs the same however long it is. */

/** Taken entries are dropped from the array once they are this many and at least half of it. */
const COMPACT_AT = 1024;

export class Fifo<T> {
  #entries: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#entries.length - this.#head;
  }

  push(entry: T): void {
    this.#entries.push(entry);
  }

  peek(): T | undefined {
    return this.#entries[this.#head];
  }

  shift(): T | undefined {
    const entry = this.#entries[this.#head];
    if (this.length === 0) return undefined;
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** Adds an entry before the first one. */
  unshift(entry: T): void {
    if (this.#head === 0) this.#entries.unshift(entry);
    else {
      this.#head -= 1;
      this.#entries[this.#head] = entry;
    }
  }

  /** Puts another entry in the place of the first one. */
  replaceHead(entry: T): void {
    this.#entries[this.#head] = entry;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
  }
}
