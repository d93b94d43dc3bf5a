/** A binary heap: the smallest key first. */
export class Heap<T> {
  readonly #keys: number[] = [];
  readonly #values: T[] = [];

  get size(): number {
    return this.#keys.length;
  }

  /** Infinity when it is empty. */
  get smallest(): number {
    return this.#keys[0] ?? Number.POSITIVE_INFINITY;
  }

  push(key: number, value: T): void {
    let at = this.#keys.push(key) - 1;
    this.#values.push(value);
    for (let parent = (at - 1) >> 1; at > 0 && this.#isLess(at, parent); parent = (at - 1) >> 1) {
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Takes out what has the smallest key; undefined when it is empty. */
  pop(): T | undefined {
    const last = this.#keys.length - 1;
    if (last < 0) return undefined;
    this.#swap(0, last);
    this.#keys.pop();
    const value = this.#values.pop();
    this.#sink(last);
    return value;
  }

  #sink(size: number): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < size && this.#isLess(child, least)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isLess(a: number, b: number): boolean {
    return (this.#keys[a] as number) < (this.#keys[b] as number);
  }

  #swap(a: number, b: number): void {
    const [key, value] = [this.#keys[a] as number, this.#values[a] as T];
    this.#keys[a] = this.#keys[b] as number;
    this.#values[a] = this.#values[b] as T;
    this.#keys[b] = key;
    this.#values[b] = value;
  }
}
