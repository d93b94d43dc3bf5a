/** What the trials of one stream have cost, and what became of the last one that failed. */
import { type CodingArm, TRIAL_SHARE } from './coding-arm.ts';

/** Trials may cost so much before they have had time to earn it. */
const FIRST_TRIALS_MS = 60;

/** What failed is forgotten at so many times the stream's age then, and so much later at the least: of its first moments it says little. */
const FORGOTTEN_AGES = 3;
const LEAST_FORGOTTEN_MS = 1_000;

/** A coding that lost to a rate of which later no more than this is left has not lost. */
const KEPT_PROMISE = 0.7;

export class CodingTrials {
  #startMs = -1;
  #failedMs = 0;
  /** Of the stream, when the last one failed. */
  #ageAtFailureMs = 0;
  #loser: CodingArm | null = null;
  #lostTo = 0;

  /** From the first call on, time earns trials. */
  start(nowMs: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs;
  }

  /** How long the stream has been looked at. */
  ageMs(nowMs: number): number {
    return nowMs - this.#startMs;
  }

  /**
   * Whether a trial that fails would still be within what trials may cost.
   * @param blindMs it would show nothing for so long; such a trial is earned before it begins
   */
  mayBegin(blindMs: number, nowMs: number): boolean {
    const costMs = blindMs > 0 ? blindMs : -FIRST_TRIALS_MS;
    const ageMs = this.ageMs(nowMs);
    return this.#rememberedMs(ageMs) + costMs <= ageMs * TRIAL_SHARE;
  }

  /** A coding did not reach the rate it was to beat, in raw bytes a millisecond. */
  failed(arm: CodingArm, costMs: number, lostTo: number, nowMs: number): void {
    const ageMs = this.ageMs(nowMs);
    this.#failedMs = this.#rememberedMs(ageMs) + costMs;
    this.#ageAtFailureMs = ageMs;
    this.#loser = arm;
    this.#lostTo = lostTo;
  }

  /**
   * The coding that won now does so many raw bytes a millisecond. The first
   * bytes are taken fast by empty buffers, and by receivers that are only
   * starting: no fair measure for a trial, whose failure then counts for nothing.
   */
  review(goodput: number): void {
    if (goodput > this.#lostTo * KEPT_PROMISE) return;
    this.#loser?.distrust();
    this.#loser = null;
  }

  #rememberedMs(ageMs: number): number {
    const ageAtFailureMs = this.#ageAtFailureMs;
    const forgottenAtMs = Math.max(ageAtFailureMs * FORGOTTEN_AGES, ageAtFailureMs + LEAST_FORGOTTEN_MS);
    return ageMs < forgottenAtMs ? this.#failedMs : 0;
  }
}
