/**
 * When a read is late, and whether that is worth a second request. Late is twice as
 * long without a byte as 95 of 100 recent reads had to wait at most; "The Tail at
 * Scale" has the idea. A store that is slow for everybody gets few second requests:
 * they are a small share of the first ones.
 */
import type { Counters } from '../../../base/counters/counters.ts';

/** Reads that are remembered. */
const SAMPLES = 128;

/** Before as many nothing is known. */
const MIN_SAMPLES = 32;

/** Reads between two looks at all that are remembered. */
const REFRESH_READS = 16;

const QUANTILE = 0.95;
const LATE_FACTOR = 2;

/** Below it, a busy event loop on either side would look like a late store. */
const MIN_LATE_MS = 50;

/** Second requests for each read, in the long run. */
const SHARE = 0.05;

/** Second requests that are saved up, for the moment when a part of the store dies. */
const MAX_SAVED = 8;

export class Hedging {
  #lateMs = Number.POSITIVE_INFINITY;
  #reads = 0;
  #saved = 0;
  readonly #waitsMs: number[] = [];
  readonly #counters: Pick<Counters, 'secondReads'>;

  constructor(counters: Pick<Counters, 'secondReads'>) {
    this.#counters = counters;
  }

  /** How long a read may be without a byte; infinite while too little is known. */
  get lateMs(): number {
    return this.#lateMs;
  }

  /** @param longestWaitMs the longest that a read was without a byte */
  observe(longestWaitMs: number): void {
    this.#waitsMs[this.#reads % SAMPLES] = longestWaitMs;
    this.#reads += 1;
    this.#saved = Math.min(MAX_SAVED, this.#saved + SHARE);
    if (this.#reads < MIN_SAMPLES || this.#reads % REFRESH_READS !== 0) return;
    const sorted = this.#waitsMs.toSorted((a, b) => a - b);
    const highMs = sorted[Math.floor(sorted.length * QUANTILE)] as number;
    this.#lateMs = Math.max(MIN_LATE_MS, LATE_FACTOR * highMs);
  }

  /** Whether a second request may be made now; then it counts as made. */
  take(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }

  /**
   * A second request is over.
   *
   * @param hasWon it had the next byte before the first one
   */
  ended(hasWon: boolean): void {
    this.#counters.secondReads.add(1, hasWon ? 'won' : 'lost');
  }
}
