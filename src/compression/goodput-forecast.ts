/**
 * What each coding should achieve on a stream now:
 *
 *   goodput(coding) = min( link rate ÷ ratio , what the ends can do )
 *
 * The link rate is known while the link is full (`LinkMeter`) and remembered
 * for a while after that. What the ends can do is measured while a coding runs
 * and the link is not full; before that it is estimated from workers' times
 * (`WorkerThroughput`), and for identity it counts as unlimited. So an untried
 * coding looks good, is tried, and is then known.
 */

import type { CodecStatistics } from './codec-statistics.ts';
import type { ExplorationBudget } from './exploration-budget.ts';
import type { LinkMeter } from './link-meter.ts';
import type { WorkerThroughput } from './worker-throughput.ts';

/** A wire rate this much higher shows that an earlier finding is out of date. */
const OTHER_RATE = 1.3;

/** Behind full buffers an exploration shows nothing before they have drained. */
export const SETTLE_MS = 300;

/** When, and in which state of the stream, a forecast is made. */
export interface Moment {
  readonly nowMs: number;
  /** How many the stream may count on, a fraction when others compete. */
  readonly workers: number;
  /** The coding in use. */
  readonly current: CodecStatistics;
}

export class GoodputForecast {
  readonly #link: LinkMeter;
  readonly #throughput: WorkerThroughput;
  readonly #budget: ExplorationBudget;
  readonly #identity: CodecStatistics;
  /** Until then the rate of the full link is remembered. */
  #rateUntilMs = 0;

  constructor(
    link: LinkMeter,
    throughput: WorkerThroughput,
    budget: ExplorationBudget,
    identity: CodecStatistics,
  ) {
    this.#link = link;
    this.#throughput = throughput;
    this.#budget = budget;
    this.#identity = identity;
  }

  /** The rate of a full link counts until then at the least. */
  rememberRate(untilMs: number): void {
    this.#rateUntilMs = Math.max(this.#rateUntilMs, untilMs);
  }

  /** Raw bytes a millisecond that a coding should achieve now. */
  goodput(stats: CodecStatistics, moment: Moment): number {
    const { current, nowMs, workers } = moment;
    const byLink = this.#linkRate(nowMs) / (stats === this.#identity ? 1 : this.#throughput.ratio(stats));
    if (stats.isTrusted(nowMs)) return Math.min(byLink, stats.goodput);
    const guess = this.#throughput.estimate(stats, workers, nowMs);
    // The link's rate is measured, not guessed.
    const isCertain = Number.isFinite(byLink) && byLink <= guess;
    if (isCertain || stats === current || this.#mayTry(stats, nowMs)) return Math.min(byLink, guess);
    if (Number.isNaN(stats.goodput)) return stats.jobs > 0 ? guess : 0;
    return Math.min(byLink, stats.goodput);
  }

  /** Distrusts the goodput of identity when compressed bytes pass at a much higher wire rate. */
  reviewIdentity(nowMs: number): void {
    if (this.#link.wireRate(nowMs) > this.#identity.goodput * OTHER_RATE) this.#identity.distrust();
  }

  #mayTry(stats: CodecStatistics, nowMs: number): boolean {
    const isBehindBuffers = stats === this.#identity && this.#link.isFull(nowMs);
    return this.#budget.mayBegin(isBehindBuffers ? SETTLE_MS : 0, nowMs);
  }

  /** Wire bytes a millisecond; infinite while the link has spare capacity. */
  #linkRate(nowMs: number): number {
    const rate = this.#link.rateBytesPerMs(nowMs);
    if (this.#link.isFull(nowMs)) return rate;
    const isRemembered = nowMs < this.#rateUntilMs && rate > this.#link.wireRate(nowMs);
    return isRemembered ? rate : Number.POSITIVE_INFINITY;
  }
}
