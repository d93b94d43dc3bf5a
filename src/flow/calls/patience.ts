/**
 * How long a peer may be still. Ticks are counted, not the clock: time in which
 * the event loop is blocked, or the process stands still, is not the peer's.
 */

/** A peer is given up at most one tick, a quarter of its time-out, late. */
const TICKS = 4;

export class Patience {
  readonly #timer: NodeJS.Timeout;
  #stillTicks = 0;
  #hasMoved = false;

  /** Calls `over` once, when the peer was still for `timeoutMs`. Does not keep the process alive. */
  constructor(timeoutMs: number, over: () => void) {
    this.#timer = setInterval(
      () => {
        this.#stillTicks = this.#hasMoved ? 0 : this.#stillTicks + 1;
        this.#hasMoved = false;
        if (this.#stillTicks < TICKS) return;
        this.close();
        over();
      },
      Math.max(1, timeoutMs / TICKS),
    ).unref();
  }

  /** The peer has moved. */
  renew(): void {
    this.#hasMoved = true;
  }

  /** Safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }
}
