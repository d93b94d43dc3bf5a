/**
 * Whether a stream's data is compressible at all. Other data is sent as it is,
 * with a cheap probe now and then: an archive can hold text behind pictures. A
 * sample with nearly equal byte frequencies is not even compressed.
 */
import type { Coding } from './coding.ts';

/** A sample this large tells text from noise; smaller ones misjudge archives with long headers. */
export const PROBE_BYTES = 16 * 1024;

/** The cheapest coding: a probe only asks whether compression gains anything. */
export const PROBE_CODING: Coding = { codec: 'brotli', level: 0 };

/** Compressed to more than this share of its size, data is not worth the receiver's time. */
export const WORTHWHILE_RATIO = 0.95;

/**
 * Pearson's chi-squared of byte frequencies against equal ones, 255 degrees of
 * freedom: noise has 255 ± 22.6, five deviations from which it comes twice in a
 * million samples. Repetitive data, and data spread too evenly for
 * chance, lies outside. A sample takes 30 µs; a codec, which Node
 * makes anew each time, 0.4 ms of CPU.
 */
const NOISE_CHI_SQUARED = { least: 142, most: 368 };

/** Smaller samples have too few of each byte to tell. */
const MIN_NOISE_BYTES = 4 * 1024;

/**
 * The pause between probes, as a share of the time since data last got smaller. A probe of
 * noise costs 30 µs and a read: this follows a tar from file to file, at no noticeable cost.
 */
const PROBE_SHARE = 0.02;
const MIN_PROBE_MS = 3;
const MAX_PROBE_MS = 20;

/** A slow link takes many jobs at once, above all at first, and then none for long: this many may all be probed. */
const PROBES_AT_ONCE = 64;

/** Whether these bytes are certainly incompressible: encrypted or compressed already. */
export function isNoise(sample: Uint8Array): boolean {
  if (sample.length < MIN_NOISE_BYTES) return false;
  const counts = new Uint32Array(256);
  for (let at = 0; at < sample.length; at += 1) {
    const byte = sample[at] ?? 0;
    counts[byte] = (counts[byte] ?? 0) + 1;
  }
  const expected = sample.length / counts.length;
  const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2, 0) / expected;
  return chiSquared >= NOISE_CHI_SQUARED.least && chiSquared <= NOISE_CHI_SQUARED.most;
}

export class CompressibilityDetector {
  /** The next job that is to be compressed tries a sample first. */
  mustProbe = true;
  /** The last data did not get smaller. */
  isGainless = false;
  #gainlessSinceMs = 0;
  /** When the next probe would be due, one by one; up to `PROBES_AT_ONCE` ahead of the clock. */
  #nextProbeMs = Number.NEGATIVE_INFINITY;
  #knownUpToOffset = -1;

  /** A job that was to be compressed has ended. */
  observe(incompressible: boolean, endOffset: number, nowMs: number): void {
    // Several jobs are under way when the kind of data changes; the older ones tell nothing new.
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
    return Math.min(Math.max(everyMs, MIN_PROBE_MS), MAX_PROBE_MS);
  }
}
