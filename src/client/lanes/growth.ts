/**
 * How many connections a transfer is worth: adds one as long as that brings
 * bandwidth. A single connection that fills the link costs both ends the least;
 * several get more from a link that shares by connection, or that loses packets.
 * Logic only.
 *
 *   settle ─▶ measure ─▶ add, if enough is left ─▶ settle ─▶ measure ─▶ faster? keep, add : retire, wait
 */

/** Slow start takes a while over distance, and earlier bytes are still in flight. */
const SETTLE_MS = 1000;
const MEASURE_MS = 500;

/** With less left than this, another connection would not pay off before the end. */
const MIN_REST_MS = 4000;

/** Smaller gains are noise. */
const GAIN = 1.15;

/** After a probe that failed, longer each time: links change. */
const FIRST_WAIT_MS = 10_000;
const MAX_WAIT_MS = 160_000;

export interface MovedBytes {
  /** Of what had to be moved. */
  readonly movedBytes: number;
  readonly leftBytes: number;
}

export class LaneGrowth {
  readonly #most: number;
  #lanes: number;
  /** Since the number of connections changed, or the last measure ended. */
  #sinceMs: number;
  /** Where the measure under way began. */
  #from: { readonly atMs: number; readonly movedBytes: number } | undefined;
  /** The rate before the last connection was added; undefined unless that is a probe. */
  #toBeat: number | undefined;
  #nextProbeAtMs = 0;
  #waitMs = FIRST_WAIT_MS;

  /**
   * @param first connections to begin with, which stay
   * @param most connections there may be
   */
  constructor(first: number, most: number, nowMs: number) {
    this.#lanes = first;
    this.#most = most;
    this.#sinceMs = nowMs;
  }

  /** What to do now; `retire` means the connection that was added last. Ask several times a second. */
  next({ movedBytes, leftBytes }: MovedBytes, nowMs: number): 'add' | 'retire' | undefined {
    if (nowMs - this.#sinceMs < SETTLE_MS) return undefined;
    this.#from ??= { atMs: nowMs, movedBytes };
    const ms = nowMs - this.#from.atMs;
    if (ms < MEASURE_MS) return undefined;
    const rate = (movedBytes - this.#from.movedBytes) / ms;
    this.#from = undefined;
    const isBetter = this.#toBeat === undefined || rate >= this.#toBeat * GAIN;
    this.#toBeat = undefined;
    if (!isBetter) return this.#failed(nowMs);
    if (this.#lanes >= this.#most || nowMs < this.#nextProbeAtMs) return undefined;
    // A stalled transfer gets no faster by another connection.
    if (rate <= 0 || leftBytes < rate * MIN_REST_MS) return undefined;
    this.#toBeat = rate;
    this.#lanes += 1;
    this.#sinceMs = nowMs;
    return 'add';
  }

  #failed(nowMs: number): 'retire' {
    this.#lanes -= 1;
    this.#sinceMs = nowMs;
    this.#nextProbeAtMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(MAX_WAIT_MS, this.#waitMs * 2);
    return 'retire';
  }
}
