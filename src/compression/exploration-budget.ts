/** What trials of other codings may cost a stream: 3 % of its time. */
import { TRIAL_SHARE } from './codec-statistics.ts';

/** The cost of a failed trial is forgotten so much later: of a stream's first moments it says little. */
const FORGOTTEN_MS = 1_000;

export class ExplorationBudget {
  #startMs = -1;
  #failedMs = 0;
  #forgottenAtMs = 0;

  /** From the first call on, time earns trials. */
  start(nowMs: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs;
  }

  /**
   * Whether failed trials have left something of the budget.
   * @param blindMs the trial would show nothing for so long, which must be earned before it begins
   */
  mayBegin(blindMs: number, nowMs: number): boolean {
    return this.#spentMs(nowMs) + blindMs <= (nowMs - this.#startMs) * TRIAL_SHARE;
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
