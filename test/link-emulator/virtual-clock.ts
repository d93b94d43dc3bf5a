/** A clock that a test winds by hand. */
import type { Clock } from '../../link-emulator/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly due: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  startTimer(afterMs: number, due: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, afterMs), due };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass up to `ms`, with every timer on the way called at its moment. */
  runTo(ms: number): void {
    for (let next = this.#first(); next !== undefined && next.atMs <= ms; next = this.#first()) {
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.due();
    }
    this.#nowMs = ms;
  }

  /** The earliest; of several at the same moment the one started first. */
  #first(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.atMs < first.atMs) first = timer;
    return first;
  }
}
