/**
 * The speed and ratio of workers with this data, measured with the coding that
 * runs, and inferred for the others from the typical relations between codings.
 */
import { TYPICAL_BYTES_PER_MS, TYPICAL_RATIO } from '../base/coding.ts';
import type { CodecStatistics } from './codec-statistics.ts';

/** A measured yield expires this long after the last job: workers may have been busy, or just starting. */
const FORGOTTEN_MS = 4_000;

/** Assumed before a measurement: other work of the ends takes its share of the processors. */
const FIRST_YIELD = 0.75;

/** Jobs smaller than this measure more overhead than speed. */
const TELLING_JOB_BYTES = 128 * 1024;

export class WorkerThroughput {
  /** Compressed bytes over raw ones, of all that was compressed. */
  rawBytes = 0;
  wireBytes = 0;
  /** Of gzip 1 on this data, derived from the codings measured. */
  #bytesPerMs = TYPICAL_BYTES_PER_MS;
  #ratio = TYPICAL_RATIO;
  #learnedAtMs = 0;
  /** Achieved goodput over the one that workers' times promised. */
  #yield = FIRST_YIELD;

  /** Raw bytes a millisecond of one worker. */
  bytesPerMs(stats: CodecStatistics): number {
    return this.#bytesPerMs * stats.speed;
  }

  /** Wire bytes over raw ones, of data that gets smaller. */
  ratio(stats: CodecStatistics): number {
    return Math.min(1, this.#ratio * stats.size);
  }

  /** Raw bytes a millisecond that the ends should achieve: workers' times, corrected by the measured yield. */
  estimate(stats: CodecStatistics, workers: number, nowMs: number): number {
    const isForgotten = nowMs - this.#learnedAtMs >= FORGOTTEN_MS;
    const bytesPerMs = isForgotten ? Math.max(TYPICAL_BYTES_PER_MS, this.#bytesPerMs) : this.#bytesPerMs;
    return (
      bytesPerMs * stats.speed * workers * (isForgotten ? Math.max(FIRST_YIELD, this.#yield) : this.#yield)
    );
  }

  /** The ends achieved so many raw bytes a millisecond; or, where the link was full, so many at least. */
  achieved(stats: CodecStatistics, goodput: number, workers: number, isAtLeast: boolean): void {
    const found = Math.min(1, goodput / (this.bytesPerMs(stats) * workers));
    this.#yield = isAtLeast ? Math.max(this.#yield, found) : found;
  }

  /** A worker has compressed a job. */
  learn(stats: CodecStatistics, rawBytes: number, wireBytes: number, workMs: number, nowMs: number): void {
    this.rawBytes += rawBytes;
    this.wireBytes += wireBytes;
    if (rawBytes < TELLING_JOB_BYTES || workMs <= 0) return;
    this.#learnedAtMs = nowMs;
    stats.jobs += 1;
    const weight = Math.max(1 / 8, 1 / stats.jobs);
    this.#bytesPerMs += (rawBytes / workMs / stats.speed - this.#bytesPerMs) * weight;
    this.#ratio += (wireBytes / rawBytes / stats.size - this.#ratio) * weight;
  }
}
