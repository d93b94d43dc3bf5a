/**
 * A descriptor that is open while somebody uses it: opened for the first user,
 * closed behind the last one.
 */
import assert from 'node:assert/strict';
import { Mutex } from '../../../../base/async/mutex.ts';

export class RefCountedDescriptor {
  readonly #open: () => Promise<number>;
  readonly #close: (fd: number) => Promise<void>;
  /** Serializes opening and closing, so that a user in between gets a descriptor that stays open. */
  readonly #mutex = new Mutex();
  #fd: number | undefined;
  #users = 0;

  constructor(open: () => Promise<number>, close: (fd: number) => Promise<void>) {
    this.#open = open;
    this.#close = close;
  }

  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  /** Whoever gets the descriptor calls `release` once. */
  async acquire(): Promise<number> {
    // Counted at once: a release during the open must not close the descriptor.
    this.#users += 1;
    try {
      return await this.#mutex.run(async () => {
        this.#fd ??= await this.#open();
        return this.#fd;
      });
    } catch (reason) {
      this.#users -= 1;
      throw reason;
    }
  }

  async release(): Promise<void> {
    assert.ok(this.#users > 0);
    this.#users -= 1;
    await this.#mutex.run(async () => {
      const fd = this.#fd;
      if (this.#users > 0 || fd === undefined) return;
      this.#fd = undefined;
      await this.#close(fd);
    });
  }

  /** Runs `use` with the descriptor. */
  async with<T>(use: (fd: number) => Promise<T>): Promise<T> {
    const fd = await this.acquire();
    try {
      return await use(fd);
    } finally {
      await this.release();
    }
  }
}
