/**
 * A time of change in milliseconds, as `utimes` and `futimes` take it: in
 * seconds. A double has no exact tenth of a second, and what is a little nearer
 * to the epoch would be read back as the millisecond before; whole seconds stay
 * whole. As text, because Node takes a negative number for the present.
 */
export function fileTimeOf(ms: number): string {
  return String(ms % 1000 === 0 ? ms / 1000 : (ms + Math.sign(ms) * 0.0005) / 1000);
}
