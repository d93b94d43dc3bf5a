/**
 * Sums over the last writes: one to two stretches of a quarter of a second.
 * Callers add the time, so that a window can leave out the time of others.
 */

const STRETCH_MS = 250;

/**
 * A window needs this much time and this many writes, or few writes in a
 * long time. On a busy machine a thread can be off the processor for 30 ms,
 * which must not decide.
 */
const MIN_MS = 60;
const MIN_WRITES = 8;
const LONG_MS = 200;

export interface Sums {
  ms: number;
  rawBytes: number;
  wireBytes: number;
  /** A write was outstanding. */
  busyMs: number;
  writes: number;
}

export class RateWindow {
  #now: Sums = zero();
  #before: Sums = zero();

  add(ms: number, rawBytes: number, wireBytes: number, busyMs: number): void {
    if (this.#now.ms > STRETCH_MS && this.#now.writes > 1) {
      this.#before = this.#now;
      this.#now = zero();
    }
    const sums = this.#now;
    sums.ms += ms;
    sums.rawBytes += rawBytes;
    sums.wireBytes += wireBytes;
    sums.busyMs += busyMs;
    sums.writes += 1;
  }

  clear(): void {
    this.#now = zero();
    this.#before = zero();
  }

  get sums(): Sums {
    const [a, b] = [this.#now, this.#before];
    return {
      ms: a.ms + b.ms,
      rawBytes: a.rawBytes + b.rawBytes,
      wireBytes: a.wireBytes + b.wireBytes,
      busyMs: a.busyMs + b.busyMs,
      writes: a.writes + b.writes,
    };
  }

  /** Whether the sums are enough to judge by. */
  get isTelling(): boolean {
    const { ms, writes } = this.sums;
    return ms >= MIN_MS && (writes >= MIN_WRITES || (ms >= LONG_MS && writes >= 2));
  }
}

function zero(): Sums {
  return { ms: 0, rawBytes: 0, wireBytes: 0, busyMs: 0, writes: 0 };
}
