/**
 * Coordinate descent: one setting after the other is compared with its
 * neighbours; a winner becomes the base, and as long as going further in its
 * direction wins, the descent goes on. The full grid would take hours.
 */
import {
  type Candidate,
  DEFAULTS,
  isSame,
  neighbours,
  nextBeyond,
  type TunedKey,
  valueIn,
  withValue,
} from './candidate.ts';
import { type Comparison, type Skipped, winnerOf } from './comparison.ts';

/** The first pass can open the way for gains in a second; a third has never been seen to help. */
const MAX_PASSES = 2;

export interface DescentSteps {
  /** Why a candidate cannot be; undefined when it can. */
  problemOf(candidate: Candidate): string | undefined;
  /** Measures; the first contender is the base. */
  compare(key: TunedKey, contenders: readonly Candidate[], skipped: readonly Skipped[]): Promise<Comparison>;
  /** Asked before each comparison; false ends the descent. */
  mayGoOn(key: TunedKey): boolean;
  /** Told about each new best. */
  onBest(best: Candidate): void;
}

/** The best candidate found from the defaults on, over these settings. */
export async function descend(keys: readonly TunedKey[], steps: DescentSteps): Promise<Candidate> {
  let best = DEFAULTS;
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const before = best;
    for (const key of keys) {
      if (!steps.mayGoOn(key)) return best;
      best = await climb(key, best, steps);
    }
    if (isSame(best, before)) return best;
  }
  return best;
}

async function climb(key: TunedKey, start: Candidate, steps: DescentSteps): Promise<Candidate> {
  let base = start;
  let values = neighbours(base, key);
  while (values.length > 0 && steps.mayGoOn(key)) {
    const skipped: Skipped[] = [];
    const contenders = [base];
    for (const value of values) {
      const candidate = withValue(base, key, value);
      const why = steps.problemOf(candidate);
      if (why === undefined) contenders.push(candidate);
      else skipped.push({ value, why });
    }
    if (contenders.length === 1) return base;
    const winner = winnerOf(await steps.compare(key, contenders, skipped));
    if (winner === undefined) return base;
    const [from, to] = [valueIn(base, key), valueIn(winner.candidate, key)];
    base = winner.candidate;
    steps.onBest(base);
    values = further(key, from, to, values);
  }
  return base;
}

/** The next value in the direction that won, unless it has been measured already. */
function further(key: TunedKey, from: number, to: number, measured: readonly number[]): number[] {
  const next = nextBeyond(key, from, to);
  return next === undefined || measured.includes(next) ? [] : [next];
}
