/**
 * Group commit: one run of the work at a time; requests that come during a run
 * share the next one.
 */
export class GroupCommit {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run that began now or later has ended; rejects as it does. */
  run(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start();
    this.#next = this.#behind(this.#running);
    return this.#next;
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await Promise.allSettled([this.#running, this.#next]);
  }

  async #behind(running: Promise<void>): Promise<void> {
    await Promise.allSettled([running]);
    this.#next = undefined;
    await this.#start();
  }

  #start(): Promise<void> {
    this.#running = this.#once();
    return this.#running;
  }

  async #once(): Promise<void> {
    try {
      await this.#work();
    } finally {
      this.#running = undefined;
    }
  }
}
