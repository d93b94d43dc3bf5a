/**
 * What each coding should achieve on a stream now:
 *
 *   goodput(coding) = min( link rate ÷ ratio , what the ends can do )
 *
 * The link rate is known while the link is full (`LinkMeter`) and remembered
 * for a while after that. What the ends can do is measured while a coding runs
 * and the link is not full; before that it is estimated from workers' times
 * (`CodingPace`), and for identity it is unknown, which counts as unlimited. So
 * what was never tried looks good, is tried, and is then known.
 */

import { MIB } from '../base/units.ts';
import type { CodingArm } from './coding-arm.ts';
import { type CodingPace, LEARNING_JOBS } from './coding-pace.ts';
import type { CodingTrials } from './coding-trials.ts';
import type { LinkMeter } from './link-meter.ts';

/** A remembered rate counts while it is this much above what passes. */
const STILL_MORE = 1.08;

/** Any receiver decompresses so many raw bytes a millisecond; where less comes through, the link is what limits. */
const LEAST_DECODED_BYTES_PER_MS = (80 * MIB) / 1000;

/** So much more than what passes now, and a rate seen before was another one. */
const OTHER_RATE = 1.3;

/** Behind full buffers a trial shows nothing before they have drained. */
export const SETTLE_MS = 300;

/** When, and in which state of the stream, a forecast is made. */
export interface Moment {
  readonly nowMs: number;
  /** How many the stream may count on, a fraction when others compete. */
  readonly workers: number;
  /** The coding in use. */
  readonly current: CodingArm;
  /** The coding of the last write. */
  readonly writing: CodingArm | null;
}

export class CodingForecast {
  readonly #link: LinkMeter;
  readonly #pace: CodingPace;
  readonly #trials: CodingTrials;
  readonly #identity: CodingArm;
  /** The rate of a full link is remembered until then although it is not full any more. */
  #rateUntilMs = 0;

  constructor(link: LinkMeter, pace: CodingPace, trials: CodingTrials, identity: CodingArm) {
    this.#link = link;
    this.#pace = pace;
    this.#trials = trials;
    this.#identity = identity;
  }

  /** The rate of a full link counts until then at the least. */
  rememberRate(untilMs: number): void {
    this.#rateUntilMs = Math.max(this.#rateUntilMs, untilMs);
  }

  /** Raw bytes a millisecond that a coding should achieve now. */
  goodput(arm: CodingArm, moment: Moment): number {
    const { current, nowMs, workers } = moment;
    const byLink = this.#linkRate(arm, moment) / (arm === this.#identity ? 1 : this.#pace.ratio(arm));
    if (arm.isTrusted(nowMs)) return Math.min(byLink, arm.goodput);
    const guess = this.#pace.estimate(arm, workers, nowMs);
    // Where the link decides, this is no guess.
    const isCertain = Number.isFinite(byLink) && byLink <= guess;
    if (isCertain || arm === current || this.#mayTry(arm, nowMs)) return Math.min(byLink, guess);
    if (Number.isNaN(arm.goodput)) return arm.jobs > LEARNING_JOBS ? guess : 0;
    return Math.min(byLink, arm.goodput);
  }

  /** The link looks full, but has just carried more: it is the receiver's decompression that holds it up. */
  isBehindReceiver(moment: Moment): boolean {
    const hasCarriedMore = this.#identity.goodput > this.#link.wireRate(moment.nowMs) * OTHER_RATE;
    return hasCarriedMore && this.#identity.isTrusted(moment.nowMs) && this.#isBusy(moment);
  }

  /** More comes through compressed than plainly: what is known of the plain way is old. */
  reviewIdentity(nowMs: number): void {
    if (this.#link.wireRate(nowMs) > this.#identity.goodput * OTHER_RATE) this.#identity.distrust();
  }

  #mayTry(arm: CodingArm, nowMs: number): boolean {
    const isBehindBuffers = arm === this.#identity && this.#link.isFull(nowMs);
    return this.#trials.mayBegin(isBehindBuffers ? SETTLE_MS : 0, nowMs);
  }

  /** Wire bytes a millisecond, as far as they bear on this coding. */
  #linkRate(arm: CodingArm, moment: Moment): number {
    const { nowMs } = moment;
    const rate = this.#link.rateBytesPerMs(nowMs);
    if (this.#link.isFull(nowMs)) {
      // While much is compressed, the receiver's decompression may be what fills the link's queues.
      const isDoubtful = arm === this.#identity && this.#isBusy(moment);
      return isDoubtful ? Number.POSITIVE_INFINITY : rate;
    }
    const isRemembered = nowMs < this.#rateUntilMs && rate > this.#link.wireRate(nowMs) * STILL_MORE;
    return isRemembered ? rate : Number.POSITIVE_INFINITY;
  }

  /** Whether so much is decompressed that the receiver may be what limits. */
  #isBusy({ nowMs, workers, writing }: Moment): boolean {
    const link = this.#link;
    if (writing === null || writing === this.#identity) return false;
    if (!link.isSteady || !link.isBlocked(nowMs) || link.isWorsening(nowMs)) return false;
    const decoded = link.rateBytesPerMs(nowMs) / this.#pace.ratio(writing);
    return decoded > LEAST_DECODED_BYTES_PER_MS * Math.min(1, workers);
  }
}
