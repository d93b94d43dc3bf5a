/**
 * How long a peer has been still, in ticks: time in which the event loop is
 * blocked, or the process is suspended, does not count against the peer. Ticks
 * read the bytes moved, so that moving bytes costs nothing here.
 */

export interface Watched {
  /** Changes when the peer takes or sends something. */
  readonly movedBytes: number;
  /** True while this side holds up the transfer, or the peer has nothing to do. */
  readonly isHeldUp: boolean;
  /** Called at each tick without progress of a peer that is waited for: still for at least `stillMs`. */
  still(stillMs: number): void;
}

/** In each timeout, which is noticed at most one tick late. */
const TICKS = 4;

export class StallClock {
  readonly #watched: Watched;
  readonly #tickMs: number;
  readonly #timer: NodeJS.Timeout;
  #seenBytes: number;
  /** Whole ticks since the peer moved; -1 when nobody waited for the peer at the last tick. */
  #stillTicks: number;

  /** @param timeoutMs the shortest timeout that `still` looks for */
  constructor(watched: Watched, timeoutMs: number) {
    this.#watched = watched;
    this.#seenBytes = watched.movedBytes;
    this.#stillTicks = watched.isHeldUp ? -1 : 0;
    this.#tickMs = Math.ceil(timeoutMs / TICKS);
    this.#timer = setInterval(() => this.#tick(), this.#tickMs);
  }

  /** Does not keep the process alive. */
  unref(): this {
    this.#timer.unref();
    return this;
  }

  /** Safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { isHeldUp, movedBytes } = this.#watched;
    const hasMoved = movedBytes !== this.#seenBytes;
    this.#seenBytes = movedBytes;
    if (isHeldUp) this.#stillTicks = -1;
    // The wait may have begun just now.
    else if (hasMoved || this.#stillTicks < 0) this.#stillTicks = 0;
    else this.#watched.still(++this.#stillTicks * this.#tickMs);
  }
}
