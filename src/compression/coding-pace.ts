/**
 * What workers manage with this data: speed and ratio of each coding, measured
 * where it runs, inferred for the others by how codings relate to each other.
 */
import { TYPICAL_BYTES_PER_MS, TYPICAL_RATIO } from '../base/coding.ts';
import type { CodingArm } from './coding-arm.ts';

/** Speeds of workers slower than typical are believed so long after the last job. */
const SPEED_FORGOTTEN_MS = 4_000;

/** Before it was seen: what else the ends do takes its part of the processors. */
const FIRST_YIELD = 0.75;

/** How soon it is forgotten that the ends did less than workers' times promised: within 20 s. */
const YIELD_REGAINED_PER_SEC = 0.05;

/** Jobs smaller than this measure more overhead than speed. */
const TELLING_JOB_BYTES = 128 * 1024;

/** Jobs of a coding after which its relations to the others are known. */
export const LEARNING_JOBS = 4;

/** By how much relations of speeds differ from typical ones; more is the noise of a busy machine. */
const MOST_OFF = 1.5;

export class CodingPace {
  /** Compressed bytes over raw ones, of all that was compressed. */
  rawBytes = 0;
  wireBytes = 0;
  /** Of gzip 1 on this data, as far as what was measured tells. */
  #bytesPerMs = TYPICAL_BYTES_PER_MS;
  #ratio = TYPICAL_RATIO;
  #learnedAtMs = 0;
  /** What the ends achieved over what workers' times promised. */
  #yield = FIRST_YIELD;
  #yieldAtMs = Number.POSITIVE_INFINITY;

  /** Raw bytes a millisecond of one worker. */
  bytesPerMs(arm: CodingArm): number {
    return this.#bytesPerMs * arm.speed;
  }

  /** Wire bytes over raw ones, of data that gets smaller. */
  ratio(arm: CodingArm): number {
    return Math.min(1, this.#ratio * arm.size);
  }

  /** Raw bytes a millisecond that the ends should achieve, by workers' times and by how far those were right before. */
  estimate(arm: CodingArm, workers: number, nowMs: number): number {
    const regained = (Math.max(0, nowMs - this.#yieldAtMs) / 1000) * YIELD_REGAINED_PER_SEC;
    // Times measured long ago, perhaps while threads were starting, give way to typical ones.
    const oblivion = Math.min(1, Math.max(0, nowMs - this.#learnedAtMs) / SPEED_FORGOTTEN_MS);
    const bytesPerMs = this.#bytesPerMs + Math.max(0, TYPICAL_BYTES_PER_MS - this.#bytesPerMs) * oblivion;
    return bytesPerMs * arm.speed * workers * Math.min(1, this.#yield + regained);
  }

  /** The ends achieved so many raw bytes a millisecond; or, where the link was full, so many at least. */
  achieved(arm: CodingArm, goodput: number, workers: number, isAtLeast: boolean, nowMs: number): void {
    const found = Math.min(1, goodput / (this.bytesPerMs(arm) * workers));
    if (isAtLeast) {
      this.#yield = Math.max(this.#yield, found);
    } else {
      this.#yield = found;
      this.#yieldAtMs = nowMs;
    }
  }

  /** A worker has compressed a job. `others` are the codings beside `arm`. */
  learn(
    arm: CodingArm,
    others: readonly CodingArm[],
    rawBytes: number,
    wireBytes: number,
    workMs: number,
    nowMs: number,
  ): void {
    this.rawBytes += rawBytes;
    this.wireBytes += wireBytes;
    if (rawBytes < TELLING_JOB_BYTES || workMs <= 0) return;
    this.#learnedAtMs = nowMs;
    this.#yieldAtMs = Math.min(this.#yieldAtMs, nowMs);
    arm.jobs += 1;
    const speed = rawBytes / workMs;
    const ratio = wireBytes / rawBytes;
    if (arm.jobs <= LEARNING_JOBS && others.some((other) => other !== arm && other.jobs > LEARNING_JOBS)) {
      // The first jobs show how this coding relates to what was measured with another one.
      const relation = arm.speed + (speed / this.#bytesPerMs - arm.speed) / (arm.jobs + 1);
      arm.speed = Math.min(Math.max(relation, arm.typicalSpeed / MOST_OFF), arm.typicalSpeed * MOST_OFF);
      arm.size += (ratio / this.#ratio - arm.size) / (arm.jobs + 1);
      return;
    }
    const weight = Math.max(1 / 8, 1 / arm.jobs);
    this.#bytesPerMs += (speed / arm.speed - this.#bytesPerMs) * weight;
    this.#ratio += (ratio / arm.size - this.#ratio) * weight;
  }
}
