/**
 * By how much timers of the event loop are late: a timer that asks itself, twenty
 * times a second, without keeping the process alive.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Counters } from '../base/counters/counters.ts';

const INTERVAL_MS = 50;

/** Percentiles of fewer samples say nothing. */
const MIN_SAMPLES = 20;

export interface Delays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const NO_DELAYS: Delays = { p50Ms: 0, p99Ms: 0, maxMs: 0 };

export class LoopDelay {
  readonly #counters: Counters;
  #timer: NodeJS.Timeout | undefined;
  readonly #current: RecordableHistogram = createHistogram();
  #last: Delays = NO_DELAYS;
  #dueMs = 0;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  start(): void {
    this.#dueMs = performance.now() + INTERVAL_MS;
    this.#timer = setInterval(() => this.#tick(), INTERVAL_MS).unref();
  }

  /** Since the last `take`, or where that is too short, before it. */
  get recent(): Delays {
    return this.#current.count >= MIN_SAMPLES ? delaysOf(this.#current) : this.#last;
  }

  /** Since the last `take`. */
  take(): Delays {
    if (this.#current.count > 0) this.#last = delaysOf(this.#current);
    this.#current.reset();
    return this.#last;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    const delayMs = Math.max(0, nowMs - this.#dueMs);
    this.#dueMs = nowMs + INTERVAL_MS;
    // Microseconds: a histogram counts whole numbers from 1.
    this.#current.record(Math.max(1, Math.round(delayMs * 1000)));
    this.#counters.loopDelaySeconds.observe(delayMs / 1000, 'main');
  }
}

function delaysOf(histogram: RecordableHistogram): Delays {
  const ms = (percentile: number) => histogram.percentile(percentile) / 1000;
  return { p50Ms: ms(50), p99Ms: ms(99), maxMs: histogram.max / 1000 };
}
