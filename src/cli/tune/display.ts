/** What `sluice tune` shows while it measures: a seam with one implementation for each kind of reader. */
import type { Candidate } from './candidate.ts';
import type { Comparison } from './comparison.ts';
import type { Gain } from './gain.ts';
import type { Sample } from './sample.ts';
import type { Schedule } from './schedule.ts';

export interface TunePlan {
  /** The directory that is measured; undefined when a generated file is. */
  directory: string | undefined;
  sample: Sample;
  schedule: Schedule;
  streams: number;
}

export interface TuneResult {
  /** Only what differs from the defaults, and only what is recommended. */
  settings: Candidate;
  /** Of all of them together over the defaults; undefined where it was not measured. */
  gain: Gain | undefined;
  isInterrupted: boolean;
  /** How wide the spreads were, 0.1 is from −5 % to +5 %: their median; undefined when nothing was compared. */
  typicalSpread: number | undefined;
  /** Settings that there was no time for. */
  notMeasured: readonly string[];
}

export interface Step {
  /** What is being done now. */
  label: string;
  /** Of the time that all steps take, estimated. */
  doneMs: number;
  leftMs: number;
}

export interface TuneDisplay {
  note(text: string): void;
  planned(plan: TunePlan): Promise<void>;
  /** A step begins. */
  step(step: Step): void;
  compared(comparison: Comparison): Promise<void>;
  finished(result: TuneResult): Promise<void>;
  /** The result is in a file now. */
  saved(path: string): Promise<void>;
  /** Safe to call twice. */
  close(): void;
}
