/** One coding that a stream can choose, with its measurements. */
import type { Coding, TypicalCoding } from '../base/coding.ts';
import { RateWindow } from './rate-window.ts';

/** How long a finding is trusted at first and at the most. */
export const MIN_TRUST_MS = 1_000;
const MAX_TRUST_MS = 64_000;

/** Explorations that fail may cost this share of the time. */
export const EXPLORATION_SHARE = 0.03;

export class CodecStatistics {
  readonly coding: Coding;
  /** Over gzip 1, in raw bytes a millisecond of a worker and in size. */
  readonly speed: number;
  readonly size: number;
  /** Compressed jobs measured. */
  jobs = 0;
  /** Raw bytes, over the whole stream. */
  sentBytes = 0;
  /** What the ends achieved with it, in raw bytes a millisecond; NaN when that was never seen. */
  goodput = Number.NaN;
  #trustMs = MIN_TRUST_MS;
  #trustedUntilMs = 0;
  /** Of its own writes since it was taken last, and what the link had sent when that was. */
  readonly window = new RateWindow();
  fromBytes = 0;

  constructor({ codec, level, size, speed }: TypicalCoding) {
    this.coding = { codec, level };
    this.speed = speed;
    this.size = size;
  }

  /** How long a finding made now is trusted. */
  get trustMs(): number {
    return this.#trustMs;
  }

  isTrusted(nowMs: number): boolean {
    return nowMs < this.#trustedUntilMs;
  }

  /** The goodput was seen just now. */
  found(goodput: number, nowMs: number): void {
    this.goodput = goodput;
    this.#trustedUntilMs = nowMs + this.#trustMs;
  }

  distrust(): void {
    this.#trustedUntilMs = 0;
  }

  /**
   * Another coding is taken. An exploration that failed is not repeated soon; a coding that was good for long is looked
   * at again soon.
   */
  left(wasHasty: boolean, costMs: number, nowMs: number): void {
    const longer = Math.max(this.#trustMs * 2, costMs * (1 / EXPLORATION_SHARE));
    this.#trustMs = wasHasty ? Math.min(longer, MAX_TRUST_MS) : MIN_TRUST_MS;
    if (Number.isNaN(this.goodput)) return;
    this.#trustedUntilMs = Math.max(this.#trustedUntilMs, nowMs + this.#trustMs);
  }
}
