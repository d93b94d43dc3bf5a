/** A token bucket: allows bursts, and bounds the rate in the long run. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSec: number;
  #tokens: number;
  #atMs: number;

  /** Full at first: `burst` tokens, of which `perSec` come back each second. Times are those of one monotonic clock. */
  constructor(burst: number, perSec: number, nowMs: number) {
    this.#burst = burst;
    this.#perSec = perSec;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= this.#burst;
  }

  /** Takes `count` tokens; takes what is left and is false when there are fewer. */
  take(nowMs: number, count = 1): boolean {
    this.#refill(nowMs);
    const isEnough = this.#tokens >= count;
    this.#tokens = Math.max(0, this.#tokens - count);
    return isEnough;
  }

  #refill(nowMs: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) * this.#perSec) / 1000);
    this.#atMs = nowMs;
  }
}
