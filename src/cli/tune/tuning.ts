/**
 * One tuning from sample to result: the descent over the settings, and at the
 * end the best against the defaults, which alone decides what is recommended.
 */
import { availableMemoryBytes } from '../../config/memory/available-memory.ts';
import { type Candidate, DEFAULTS, isSame, neighbours, problemOf, type TunedKey } from './candidate.ts';
import { type Comparison, winnerOf } from './comparison.ts';
import { descend } from './descent.ts';
import type { TuneDisplay, TuneResult } from './display.ts';
import { median } from './gain.ts';
import { Measurement } from './measurement.ts';
import { comparisonMs, type Schedule } from './schedule.ts';
import type { SampleFile } from './workload.ts';
import { workloadsOf } from './workload.ts';

/** A base and its two neighbours run at the same time, in half of the memory. */
const MEMORY_SHARE = 1 / 6;

/** How far a tuning may exceed its estimate to follow up a gain. */
const OVERRUN = 1.25;

export interface TuningOptions {
  keys: readonly TunedKey[];
  directory: string;
  files: readonly SampleFile[];
  schedule: Schedule;
  streams: number;
  signal: AbortSignal;
  display: TuneDisplay;
}

export class Tuning {
  readonly #options: TuningOptions;
  readonly #measurement: Measurement;
  readonly #startMs = performance.now();
  readonly #measured = new Set<TunedKey>();
  readonly #spreads: number[] = [];
  #best: Candidate = DEFAULTS;

  constructor(options: TuningOptions) {
    this.#options = options;
    const { directory, files, schedule, signal, streams } = options;
    const onRound = (key: TunedKey | undefined, round: number, rounds: number) =>
      this.#showRound(key, round, rounds);
    this.#measurement = new Measurement({ directory, files, schedule, streams, signal, onRound });
  }

  /** Interrupted by the signal, it resolves with what is known by then. */
  async run(): Promise<TuneResult> {
    const { display, keys, schedule, signal } = this.#options;
    try {
      await descend(keys, {
        problemOf: (candidate) => problemOf(candidate, availableMemoryBytes() * MEMORY_SHARE),
        mayGoOn: (key) => this.#mayGoOn(key),
        onBest: (best) => {
          this.#best = best;
        },
        compare: async (key, contenders, skipped) => {
          const comparison = await this.#measurement.compare(key, contenders, skipped, schedule.rounds);
          if (comparison.isComplete) this.#measured.add(key);
          await this.#show(comparison);
          return comparison;
        },
      });
      if (signal.aborted || isSame(this.#best, DEFAULTS)) return this.#result(this.#best);
      const contenders = [DEFAULTS, this.#best];
      const final = await this.#measurement.compare(undefined, contenders, [], schedule.finalRounds);
      await this.#show(final);
      if (signal.aborted) return this.#result(this.#best);
      const winner = winnerOf(final);
      return { ...this.#result(winner?.candidate ?? DEFAULTS), gain: winner?.gain };
    } finally {
      display.close();
      await this.#measurement.close();
    }
  }

  #result(settings: Candidate): TuneResult {
    const { keys, signal } = this.#options;
    const notMeasured = keys.filter((key) => !this.#measured.has(key));
    const typicalSpread = this.#spreads.length === 0 ? undefined : median(this.#spreads);
    return { settings, gain: undefined, isInterrupted: signal.aborted, typicalSpread, notMeasured };
  }

  async #show(comparison: Comparison): Promise<void> {
    if (comparison.rounds === 0) return;
    const gains = comparison.measured.map((each) => each.gain).filter((gain) => gain !== undefined);
    this.#spreads.push(...gains.map(({ high, low }) => high - low));
    await this.#options.display.compared(comparison);
  }

  #mayGoOn(key: TunedKey): boolean {
    const { schedule, signal, streams } = this.#options;
    if (signal.aborted) return false;
    const nextMs = comparisonMs(schedule, 2, workloadsOf(key, streams).length, schedule.rounds);
    const finalMs = isSame(this.#best, DEFAULTS)
      ? 0
      : comparisonMs(schedule, 2, workloadsOf(undefined, streams).length, schedule.finalRounds);
    return performance.now() - this.#startMs + nextMs + finalMs < schedule.estimateMs * OVERRUN;
  }

  #showRound(key: TunedKey | undefined, round: number, rounds: number): void {
    const subject = key ?? 'the best against the defaults';
    const doneMs = performance.now() - this.#startMs;
    const leftMs = Math.max(this.#options.schedule.estimateMs - doneMs, 0);
    const part = round === 0 ? 'warming up' : `round ${round} of ${rounds}`;
    this.#options.display.step({ label: `${subject}, ${part}`, doneMs, leftMs });
  }
}

/** How many servers and loads each setting has at the least, for the schedule. */
export function sureComparisons(keys: readonly TunedKey[], streams: number) {
  return keys.map((key) => ({
    contenders: 1 + neighbours(DEFAULTS, key).length,
    workloads: workloadsOf(key, streams).length,
  }));
}
