import { Mutex } from './mutex.ts';

/**
 * A mutex for each key. Held over a look at what a name stands for and the
 * change that follows, it makes both one step, as far as this process is
 * concerned.
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
