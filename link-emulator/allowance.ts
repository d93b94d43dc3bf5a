/** What a rate lets through: so many bytes that may be sent now. */

/** What is saved up while nothing waits, in milliseconds of the rate. */
const BURST_MS = 2;

export class Allowance {
  #bytes = 0;
  #isLimited = false;
  /** Something waits for it: then a late timer costs nothing. */
  #isAwaited = false;
  #refilledAtMs: number;

  constructor(nowMs: number) {
    this.#refilledAtMs = nowMs;
  }

  /** Whole bytes; Infinity without a limit. */
  get bytes(): number {
    return this.#isLimited ? Math.max(0, Math.floor(this.#bytes)) : Number.POSITIVE_INFINITY;
  }

  refill(nowMs: number, rateBytesPerSec: number): void {
    const elapsedMs = nowMs - this.#refilledAtMs;
    this.#refilledAtMs = nowMs;
    this.#isLimited = Number.isFinite(rateBytesPerSec);
    if (!this.#isLimited) return;
    this.#bytes += (elapsedMs / 1000) * rateBytesPerSec;
    if (!this.#isAwaited) this.#bytes = Math.min(this.#bytes, (BURST_MS / 1000) * rateBytesPerSec);
  }

  /** There were too few. */
  ranOut(): void {
    this.#isAwaited = true;
  }

  spend(bytes: number): void {
    this.#isAwaited = false;
    if (this.#isLimited) this.#bytes -= bytes;
  }

  /** Nothing is owed or saved up. */
  clear(): void {
    this.#bytes = 0;
  }
}
