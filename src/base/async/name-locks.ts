/**
 * One change of a name at a time: looking at what is there and replacing or
 * removing it are then one step, as far as this process is concerned.
 */
import { Exclusive } from './exclusive.ts';

export class NameLocks {
  readonly #locks = new Map<string, Exclusive>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const lock = this.#locks.get(name) ?? new Exclusive();
    this.#locks.set(name, lock);
    try {
      return await lock.run(work);
    } finally {
      if (lock.isIdle) this.#locks.delete(name);
    }
  }
}
