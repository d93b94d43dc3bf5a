/** Time that passes when a test says so. It goes wherever a clock, or a function that tells the time, can be given. */

interface Timer {
  readonly atMs: number;
  readonly due: () => void;
}

export class FakeClock {
  #nowMs: number;
  readonly #timers = new Set<Timer>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  /** A property, so that it can be handed on alone. */
  readonly nowMs = (): number => this.#nowMs;

  get isTicking(): boolean {
    return this.#timers.size > 0;
  }

  startTimer(afterMs: number, due: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, afterMs), due };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  every(intervalMs: number, tick: () => void): () => void {
    let stop = () => {};
    const next = () => {
      stop = this.startTimer(intervalMs, () => {
        next();
        tick();
      });
    };
    next();
    return () => stop();
  }

  /** Lets so much time pass, with every timer on the way called at its moment. */
  pass(ms: number): void {
    this.passTo(this.#nowMs + ms);
  }

  passTo(ms: number): void {
    for (let next = this.#first(); next !== undefined && next.atMs <= ms; next = this.#first()) {
      this.#timers.delete(next);
      this.#nowMs = next.atMs;
      next.due();
    }
    this.#nowMs = ms;
  }

  /** The earliest; of several at the same moment the one started first. */
  #first(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.atMs < first.atMs) first = timer;
    return first;
  }
}
