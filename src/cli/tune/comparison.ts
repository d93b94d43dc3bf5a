/** The outcome of measuring contenders in turn, and who won. The first contender is the base of the others. */
import type { Candidate, TunedKey } from './candidate.ts';
import { type Gain, gainOf, isClearlyFaster, isClearlySlower, meanRatio, median } from './gain.ts';
import type { Workload } from './workload.ts';

/** MiB/s by contender and workload: `rates[contender][workload]`. */
export type Round = readonly (readonly number[])[];

export interface Measured {
  candidate: Candidate;
  /** MiB/s, median of the rounds, by workload. */
  rates: number[];
  /** Over the base, all workloads together; undefined for the base itself. */
  gain: Gain | undefined;
  verdict: 'base' | 'faster' | 'slower' | 'as good' | 'mixed';
}

export interface Skipped {
  value: number;
  why: string;
}

export interface Comparison {
  /** The setting in question; undefined for the final one. */
  key: TunedKey | undefined;
  workloads: readonly Workload[];
  measured: readonly Measured[];
  /** Values that could not be measured. */
  skipped: readonly Skipped[];
  rounds: number;
  /** Whether all rounds were run; nobody wins otherwise. */
  isComplete: boolean;
}

/** The medians and gains of each contender over the rounds. */
export function measuredOf(contenders: readonly Candidate[], rounds: readonly Round[]): Measured[] {
  const [base] = contenders.keys();
  return contenders.map((candidate, contender) => {
    const rates = (rounds[0]?.[contender] ?? []).map((_, load) =>
      median(rounds.map((round) => round[contender]?.[load] ?? Number.NaN)),
    );
    if (contender === base) return { candidate, rates, gain: undefined, verdict: 'base' };
    const ratios = rounds.map((round) => ratiosOf(round, contender));
    const gain = gainOf(ratios.map(meanRatio));
    const byLoad = rates.map((_, load) => gainOf(ratios.map((round) => round[load] as number)));
    return { candidate, rates, gain, verdict: verdictOf(gain, byLoad) };
  });
}

/** The fastest of those that are clearly faster than the base; undefined when there is none. */
export function winnerOf({ isComplete, measured }: Comparison): Measured | undefined {
  if (!isComplete) return undefined;
  return measured
    .filter((each) => each.verdict === 'faster')
    .sort((one, other) => (other.gain?.median ?? 0) - (one.gain?.median ?? 0))[0];
}

function ratiosOf(round: Round, contender: number): number[] {
  return (round[contender] ?? []).map((rate, load) => rate / (round[0]?.[load] ?? Number.NaN));
}

function verdictOf(gain: Gain, byLoad: readonly Gain[]): Measured['verdict'] {
  if (isClearlyFaster(gain)) return byLoad.some(isClearlySlower) ? 'mixed' : 'faster';
  return isClearlySlower(gain) ? 'slower' : 'as good';
}
