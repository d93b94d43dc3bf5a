/** What exploring other codings may cost a stream: 3 % of its time. */
import { EXPLORATION_SHARE } from './codec-statistics.ts';

/** The cost of an exploration that failed is forgotten after this time: the first moments of a stream say little. */
const FORGOTTEN_MS = 1_000;

export class ExplorationBudget {
  #startMs = -1;
  #failedMs = 0;
  #forgottenAtMs = 0;

  /** From the first call on, time earns explorations. */
  start(nowMs: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs;
  }

  /**
   * Whether failed explorations have left something of the budget.
   * @param blindMs how long the exploration would show nothing: must be earned before it begins
   */
  mayBegin(blindMs: number, nowMs: number): boolean {
    return this.#spentMs(nowMs) + blindMs <= (nowMs - this.#startMs) * EXPLORATION_SHARE;
  }

  /** A coding did not reach the rate it was to beat, and cost the stream so much time. */
  failed(costMs: number, nowMs: number): void {
    this.#failedMs = this.#spentMs(nowMs) + costMs;
    this.#forgottenAtMs = nowMs + FORGOTTEN_MS;
  }

  #spentMs(nowMs: number): number {
    return nowMs < this.#forgottenAtMs ? this.#failedMs : 0;
  }
}
