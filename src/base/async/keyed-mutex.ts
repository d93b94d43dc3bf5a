/**
 * A mutex for each key. Held over a check of a name and the change that
 * follows, it makes both atomic within this process.
 */
export class KeyedMutex {
  /** The keys that are held, with those who wait for one in their order; null for most, which nobody waits for. */
  readonly #held = new Map<string, (() => void)[] | null>();

  /**
   * Holds the mutexes of all `keys` at once. They are taken in one order by everybody, so that nobody who
   * has some waits for somebody who waits for these.
   */
  async runAll<T>(keys: Iterable<string>, work: () => Promise<T>): Promise<T> {
    const ordered = [...new Set(keys)].sort();
    for (const key of ordered) {
      if (this.#held.has(key)) await this.#turn(key);
      else this.#held.set(key, null);
    }
    try {
      return await work();
    } finally {
      for (const key of ordered) this.#release(key);
    }
  }

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.runAll([key], work);
  }

  #turn(key: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#held.get(key);
      if (waiting) waiting.push(resolve);
      else this.#held.set(key, [resolve]);
    });
  }

  /** Gives it to the first who waits. */
  #release(key: string): void {
    const next = this.#held.get(key)?.shift();
    if (next === undefined) this.#held.delete(key);
    else next();
  }
}
