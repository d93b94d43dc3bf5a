/**
 * Whether a stream's data gets smaller at all. Data that does not is sent as it
 * is, with a cheap probe now and then: an archive can hold text behind pictures.
 */

import type { Coding } from './coding.ts';

/** A sample this large tells text from noise; smaller ones misjudge archives with long headers. */
export const PROBE_BYTES = 16 * 1024;

/** Whatever the choice: only whether there is something to gain is asked, and this is the cheapest to ask. */
export const PROBE_CODING: Coding = { codec: 'brotli', level: 0 };

/** Compressed to more than this share of its size, data is not worth the receiver's time. */
export const WORTHWHILE_RATIO = 0.95;

/**
 * Between probes, each a fiftieth of a millisecond and a read: 2 % of the time since data
 * last got smaller. A tar is followed from one file to the next, and of a long
 * noise nobody notices them.
 */
const PROBE_SHARE = 0.02;
const LEAST_PROBE_MS = 3;
const MOST_PROBE_MS = 20;

/** A slow link takes many jobs at once, above all the first ones, and then none for long: so many may all be probed. */
const PROBES_AT_ONCE = 64;

export class DataKind {
  /** The next job that is to be compressed tries a sample first. */
  mustProbe = true;
  /** The last data did not get smaller. */
  isGainless = false;
  #gainlessSinceMs = 0;
  /** When probes would be due one by one; it may be ahead of the time by those at once. */
  #nextProbeMs = Number.NEGATIVE_INFINITY;
  #knownUpToOffset = -1;

  /** A job that was to be compressed has ended. */
  observe(incompressible: boolean, endOffset: number, nowMs: number): void {
    // Several jobs are under way when the bytes change their kind; the older ones tell nothing new.
    if (endOffset <= this.#knownUpToOffset) return;
    this.#knownUpToOffset = endOffset;
    if (incompressible && !this.isGainless) this.#gainlessSinceMs = nowMs;
    this.mustProbe = incompressible;
    this.isGainless = incompressible;
  }

  /** Whether gainless data should be looked at again. */
  isProbeDue(nowMs: number): boolean {
    return nowMs >= this.#nextProbeMs - (PROBES_AT_ONCE - 1) * this.#everyMs(nowMs);
  }

  probed(nowMs: number): void {
    this.#nextProbeMs = Math.max(this.#nextProbeMs, nowMs) + this.#everyMs(nowMs);
  }

  #everyMs(nowMs: number): number {
    const everyMs = (nowMs - this.#gainlessSinceMs) * PROBE_SHARE;
    return Math.min(Math.max(everyMs, LEAST_PROBE_MS), MOST_PROBE_MS);
  }
}
