/**
 * A rate in bytes a second, kept by whoever asks before more moves. What has moved
 * is charged when it moves, so a rate holds over any time but the first `BURST_MS`.
 */

/** How far ahead of its rate a mover may be: the length of a pause that nobody notices. */
const BURST_MS = 100;

export class RateLimit {
  #bytesPerMs: number;
  /** When the rate has caught up with what has moved. */
  #paidUntilMs = 0;

  constructor(bytesPerSec: number) {
    this.#bytesPerMs = bytesPerSec / 1000;
  }

  /** From the next charge on. */
  limitTo(bytesPerSec: number): void {
    this.#bytesPerMs = bytesPerSec / 1000;
  }

  /** The earliest time at which more may move; 0: at any. */
  get notBeforeMs(): number {
    return Math.max(0, this.#paidUntilMs - BURST_MS);
  }

  charge(bytes: number, nowMs: number): void {
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs) + bytes / this.#bytesPerMs;
  }
}
