/**
 * A resource that several operations use at once and that is released once,
 * after the last of them. The number of a descriptor closed under an operation
 * could be reused, and the operation would read another file.
 */
import assert from 'node:assert/strict';
import { TransferError } from '../errors.ts';

export class RefCountedResource {
  readonly #what: string;
  readonly #release: () => Promise<void>;
  #uses = 0;
  #closed: PromiseWithEnd | undefined;

  /** `what` names the resource in the message of a use after its close. */
  constructor(what: string, release: () => Promise<void>) {
    this.#what = what;
    this.#release = release;
  }

  /**
   * Runs `work`; the resource is not released before it settles.
   *
   * @throws TransferError UNAVAILABLE once `close` was called.
   */
  async use<T>(work: () => Promise<T>): Promise<T> {
    const release = this.hold();
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Keeps the resource until the result is called; calling it twice is safe.
   *
   * @throws TransferError UNAVAILABLE once `close` was called.
   */
  hold(): () => void {
    if (this.#closed !== undefined) throw new TransferError('UNAVAILABLE', `${this.#what} is closed`);
    this.#uses += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#uses -= 1;
      this.#releaseWhenIdle();
    };
  }

  /** Refuses further uses and resolves when the resource is released; safe to call twice. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = promiseWithEnd();
      this.#releaseWhenIdle();
    }
    return this.#closed.promise;
  }

  #releaseWhenIdle(): void {
    assert.ok(this.#uses >= 0);
    if (this.#closed === undefined || this.#uses > 0) return;
    this.#release().then(this.#closed.resolve, this.#closed.reject);
  }
}

interface PromiseWithEnd {
  promise: Promise<void>;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

function promiseWithEnd(): PromiseWithEnd {
  let resolve: PromiseWithEnd['resolve'] | undefined;
  let reject: PromiseWithEnd['reject'] | undefined;
  const promise = new Promise<void>((onEnd, onFailure) => {
    resolve = onEnd;
    reject = onFailure;
  });
  assert.ok(resolve !== undefined && reject !== undefined);
  return { promise, resolve, reject };
}
