import { Mutex } from './mutex.ts';

/**
 * A mutex for each key. Held over a check of a name and the change that
 * follows, it makes both atomic within this process.
 */
export class KeyedMutex {
  readonly #mutexes = new Map<string, Mutex>();

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
