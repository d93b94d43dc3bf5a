import { Mutex } from './mutex.ts';

/**
 * A mutex for each key. Held over a check of a name and the change that
 * follows, it makes both atomic within this process.
 */
export class KeyedMutex {
  readonly #mutexes = new Map<string, Mutex>();

  /**
   * Holds the mutexes of all `keys` at once. They are taken in one order by everybody, so that nobody who
   * has some waits for somebody who waits for these.
   */
  async runAll<T>(keys: Iterable<string>, work: () => Promise<T>): Promise<T> {
    const ordered = [...new Set(keys)].sort();
    const from = (at: number): Promise<T> => {
      const key = ordered[at];
      return key === undefined ? work() : this.run(key, () => from(at + 1));
    };
    return await from(0);
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mutex = this.#mutexes.get(key) ?? new Mutex();
    this.#mutexes.set(key, mutex);
    try {
      return await mutex.run(work);
    } finally {
      if (mutex.isIdle) this.#mutexes.delete(key);
    }
  }
}
