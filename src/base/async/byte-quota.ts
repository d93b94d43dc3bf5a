/** A quota of bytes that may be held at once; who gets none waits in line. */
export class ByteQuota {
  readonly #limitBytes: number;
  #takenBytes = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Takes `bytes`, to be given back with `give`. False when there are not so many, or others wait: `retry` is
   * called once, when there may be. Nobody may ask for more than the limit.
   */
  take(bytes: number, retry: () => void): boolean {
    if (this.#waiting.length === 0 && this.#takenBytes + bytes <= this.#limitBytes) {
      this.#takenBytes += bytes;
      return true;
    }
    this.#waiting.push(retry);
    return false;
  }

  give(bytes: number): void {
    this.#takenBytes -= bytes;
    // Each asks again, and waits behind the others if it still gets none.
    for (const retry of this.#waiting.splice(0)) retry();
  }

  /** `retry` waits no longer. */
  forget(retry: () => void): void {
    const at = this.#waiting.indexOf(retry);
    if (at >= 0) this.#waiting.splice(at, 1);
  }
}
