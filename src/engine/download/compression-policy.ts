/**
 * How the next job of a range is coded: never and always by rule, auto by
 * `CodecChoice`, which follows the link, the workers and the data.
 */

import {
  type CodecName,
  type Coding,
  codingsFor,
  IDENTITY,
  TYPICAL_BYTES_PER_MS,
} from '../../base/coding.ts';
import { type Choice, type ChoiceSummary, CodecChoice } from '../../compression/codec-choice.ts';
import type { FilledRun } from '../jobs/job.ts';

/** never: identity. auto: what gets the bytes there soonest. always: every chunk that gets smaller. */
export type CompressionMode = 'never' | 'auto' | 'always';

export interface CompressionSettings {
  readonly mode: CompressionMode;
  /** What the peer decompresses; gzip is what `always` uses. */
  readonly codecs: readonly CodecName[];
  /** The gzip level of `always`. */
  readonly gzipLevel: number;
  /** Up to which `auto` goes by itself. */
  readonly maxGzipLevel: number;
}

export class CompressionPolicy {
  readonly choice: CodecChoice | undefined;
  readonly #fixed: Choice;
  /** Raw bytes a millisecond of a worker; only for `always`. */
  #bytesPerMs = TYPICAL_BYTES_PER_MS;

  constructor({ codecs, gzipLevel, maxGzipLevel, mode }: CompressionSettings) {
    const coding: Coding = mode === 'always' ? { codec: 'gzip', level: gzipLevel } : IDENTITY;
    this.#fixed = { coding, probe: false };
    const codings = mode === 'auto' ? codingsFor(codecs, maxGzipLevel) : [];
    this.choice = codings.length > 0 ? new CodecChoice(codings) : undefined;
  }

  /** `workers` of them, or a fraction of one, are there for this stream. */
  next(nowMs: number, workers: number): Choice {
    return this.choice?.next(nowMs, workers) ?? this.#fixed;
  }

  /** Raw bytes a millisecond that a worker codes. */
  bytesPerMs(coding: Coding): number {
    if (coding.codec === 'identity') return Number.POSITIVE_INFINITY;
    return this.choice?.bytesPerMs(coding) ?? this.#bytesPerMs;
  }

  /** Learns from a job that was posted with `coding` and ended at `endOffset` of its stream. */
  observe(coding: Coding, run: FilledRun, endOffset: number, nowMs: number): void {
    const { rawBytes, runBytes, workMs, incompressible } = run;
    this.choice?.observe({ coding, rawBytes, wireBytes: runBytes, workMs, incompressible, endOffset }, nowMs);
    const isTypical = coding.codec !== 'identity' && !incompressible && workMs > 0;
    if (isTypical) this.#bytesPerMs += (rawBytes / workMs - this.#bytesPerMs) / 8;
  }

  /** The peer begins to take a run. */
  wrote(coding: Coding, run: FilledRun, nowMs: number): void {
    this.choice?.wrote(run.incompressible ? IDENTITY : coding, run.rawBytes, run.runBytes, nowMs);
  }

  summary(): ChoiceSummary | undefined {
    return this.choice?.summary();
  }
}
