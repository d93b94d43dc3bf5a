/**
 * Work on many small files, on the main thread, in bursts of 2 ms with a turn of
 * the event loop between them. Both ends measure the link by how soon pings are
 * answered: late echoes would look like a full link.
 */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';

const BURST_MS = 2;

export class Bursts {
  #endsAtMs = 0;
  #turn: Promise<void> | undefined;

  /** The next file has to wait for `next`, and to ask again behind it. */
  get isOver(): boolean {
    return performance.now() >= this.#endsAtMs;
  }

  /** Begins a burst behind a turn of the event loop. All that wait have the same one. */
  async next(): Promise<void> {
    this.#turn ??= turnOfEventLoop().then(() => {
      this.#turn = undefined;
      this.#endsAtMs = performance.now() + BURST_MS;
    });
    await this.#turn;
  }
}
