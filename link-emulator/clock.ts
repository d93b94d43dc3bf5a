/** Time as the link sees it. Tests put a clock of their own in its place, so that nothing about rates depends on the machine. */

export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  nowMs(): number;
  /** Calls `due` once, in about `afterMs`; the function returned keeps it from being called. */
  startTimer(afterMs: number, due: () => void): () => void;
}

/** Exact to about a millisecond, either way. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  startTimer(afterMs, due) {
    const timer = setTimeout(due, Math.floor(afterMs));
    return () => clearTimeout(timer);
  },
};
