/**
 * How much time suggestions may take: one at a time, 2 % of all time in the long
 * run, and half a second at first, so that occasional typos get one on a slow disk
 * too. Waiting for the disk counts.
 */
const SHARE = 0.02;
const BURST_MS = 500;

export class SuggestionBudget {
  readonly #nowMs: () => number;
  #leftMs = BURST_MS;
  #filledAtMs: number;
  #isBusy = false;

  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#filledAtMs = nowMs();
  }

  /** Does `work` if it may be done now; undefined otherwise. All the time it takes counts. */
  async spend<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    const startMs = this.#nowMs();
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + SHARE * (startMs - this.#filledAtMs));
    this.#filledAtMs = startMs;
    if (this.#isBusy || this.#leftMs <= 0) return undefined;
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      this.#leftMs -= this.#nowMs() - startMs;
    }
  }
}
