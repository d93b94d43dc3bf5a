/** The half-open range `[start, end)` of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What of `[start, end)` no range of `present` covers, ascending. Those are
 * ascending and do not overlap; `first` is the index of one to begin with.
 */
export function missingRanges(
  present: readonly ByteRange[],
  start: number,
  end: number,
  first = 0,
): ByteRange[] {
  const missing: ByteRange[] = [];
  let at = start;
  for (let index = first; at < end; index++) {
    const next = present[index];
    const gapEnd = Math.min(next?.start ?? end, end);
    if (at < gapEnd) missing.push({ start: at, end: gapEnd });
    at = Math.max(at, next?.end ?? end);
  }
  return missing;
}
