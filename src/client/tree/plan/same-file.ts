/** When a file counts as there already. */

/** Times are set and read back in different resolutions. */
const TIME_TOLERANCE_MS = 2;

/** Whether a copy with the first time of change is at least as new as an original with the second. */
export function isNotOlder(copyMs: number, originalMs: number): boolean {
  return copyMs >= originalMs - TIME_TOLERANCE_MS;
}
