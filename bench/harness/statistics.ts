/** The few statistics that the results are made of. All functions leave their input as it is. */

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value below which `percent` of the values lie, interpolated between neighbours; NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const position = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(position)] as number;
  const above = sorted[Math.ceil(position)] as number;
  return below + (above - below) * (position - Math.floor(position));
}

/**
 * Jain's fairness index of what each of n streams got: 1 when all got the same,
 * 1/n when one got everything; NaN of nothing.
 */
export function jainFairness(shares: readonly number[]): number {
  let sum = 0;
  let sumOfSquares = 0;
  for (const share of shares) {
    sum += share;
    sumOfSquares += share * share;
  }
  return (sum * sum) / (shares.length * sumOfSquares);
}
