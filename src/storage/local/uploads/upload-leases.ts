/**
 * The uploads and packs that this process has: it alone touches their files. A
 * lease is kept for as long as the upload is in use here, or until another process
 * asks for it.
 */
import type { ProcessLocks, Release } from '../../process-locks.ts';

export class UploadLeases {
  readonly #locks: ProcessLocks;
  readonly #onRecall: (id: string) => void;
  readonly #held = new Map<string, Release>();

  /** @param onRecall another process waits for the upload */
  constructor(locks: ProcessLocks, onRecall: (id: string) => void) {
    this.#locks = locks;
    this.#onRecall = onRecall;
  }

  /** Runs `work` with the lease, which stays here if `isKept` says so then. Calls for one id come one after the other. */
  async run<T>(id: string, work: () => Promise<T>, isKept: () => boolean): Promise<T> {
    if (!this.#held.has(id)) {
      this.#held.set(id, await this.#locks.lease(id, () => this.#onRecall(id)));
    }
    try {
      return await work();
    } finally {
      if (!isKept()) this.release(id);
    }
  }

  /** Runs `work` with the lease, if no other process has it; false where one has. */
  async runIfFree(id: string, work: () => Promise<void>): Promise<boolean> {
    if (this.#held.has(id)) {
      await work();
      return true;
    }
    const release = await this.#locks.tryLease(id);
    if (release === null) return false;
    try {
      await work();
      return true;
    } finally {
      release();
    }
  }

  release(id: string): void {
    this.#held.get(id)?.();
    this.#held.delete(id);
  }

  releaseAll(): void {
    for (const id of this.#held.keys()) this.release(id);
  }
}
