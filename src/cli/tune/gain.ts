/**
 * How much faster one configuration is than another, with which confidence, and
 * the rule for a recommendation.
 *
 * A round measures all contenders one after the other, so their ratio within a
 * round is free of what changes from round to round. The spread of the gain is
 * the interval between two ratios of the sorted rounds that holds the median
 * with at least 90 %; it assumes nothing about how the noise is distributed.
 */

/** Ratios: 1.05 is five per cent faster. */
export interface Gain {
  median: number;
  /** The ends of the spread. With fewer than five rounds the smallest and the largest ratio, which says less. */
  low: number;
  high: number;
  rounds: number;
}

/** Confidence of the interval that a gain is given with. */
const COVERAGE = 0.9;

/** Smaller gains are not worth a setting. */
const MIN_GAIN = 1.02;

export const RULE =
  'recommended is only what was at least 2 % faster even at the low end of its spread, and slower in no load';

/** Wider spreads, from end to end, hide gains worth having. */
const WIDE_SPREAD = 0.1;

/** The gain over the rounds; NaN of none. */
export function gainOf(ratios: readonly number[]): Gain {
  const sorted = [...ratios].sort((a, b) => a - b);
  const cut = cutOf(sorted.length);
  return {
    median: medianOf(sorted),
    low: sorted[cut] ?? Number.NaN,
    high: sorted[sorted.length - 1 - cut] ?? Number.NaN,
    rounds: sorted.length,
  };
}

/** Fewer show no spread. */
const MIN_ROUNDS = 3;

/** The whole spread lies above `MIN_GAIN`. */
export function isClearlyFaster({ low, rounds }: Gain): boolean {
  return rounds >= MIN_ROUNDS && low >= MIN_GAIN;
}

/** The whole spread lies below the base. */
export function isClearlySlower({ high, rounds }: Gain): boolean {
  return rounds >= MIN_ROUNDS && high < 1;
}

/** Whether spreads are so wide that a gain may have been missed. */
export function isWide(spread: number | undefined): boolean {
  return spread !== undefined && spread > WIDE_SPREAD;
}

/** The geometric mean: twice as fast in one load and half as fast in another is no gain. */
export function meanRatio(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  return medianOf([...values].sort((a, b) => a - b));
}

function medianOf(sorted: readonly number[]): number {
  const half = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(half)] ?? Number.NaN) + (sorted[Math.ceil(half)] ?? Number.NaN)) / 2;
}

/**
 * How many ratios may be cut off at each end: the most with which the median
 * stays inside with COVERAGE. It lies below the k-th smallest of n values with
 * the probability that fewer than k of n coins show heads.
 */
function cutOf(rounds: number): number {
  let binomial = 1;
  let below = 0;
  for (let cut = 0; ; cut += 1) {
    below += binomial / 2 ** rounds;
    binomial = (binomial * (rounds - cut)) / (cut + 1);
    const belowNext = below + binomial / 2 ** rounds;
    if (1 - 2 * belowNext < COVERAGE) return cut;
  }
}
