/**
 * Speaks up on a stream on which nothing was sent for a while, so that proxies
 * with idle timeouts do not cut it. Like `StallClock` it reads a counter at each
 * tick, so that moving bytes costs nothing here.
 */

export interface Silent {
  /** Changes whenever something was sent. */
  sent(): number;
  /** Whether a message goes out at once: nothing that was sent before still waits. */
  maySpeak(): boolean;
  /** Sends a message that means nothing. */
  speak(): void;
}

/** The shortest and the longest silence that can be asked for, in milliseconds. */
export const MIN_KEEP_ALIVE_MS = 100;
export const MAX_KEEP_ALIVE_MS = 3_600_000;

export class KeepAlive {
  readonly #timer: NodeJS.Timeout;
  #seen: number;

  /** @param silenceMs how long nothing may be sent; cut to what is allowed */
  constructor(silenceMs: number, stream: Silent) {
    const boundedMs = Math.min(Math.max(silenceMs, MIN_KEEP_ALIVE_MS), MAX_KEEP_ALIVE_MS);
    this.#seen = stream.sent();
    // Silence that begins behind a tick is noticed at the second one.
    this.#timer = setInterval(() => this.#tick(stream), boundedMs / 2).unref();
  }

  /** Safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(stream: Silent): void {
    const sent = stream.sent();
    if (sent === this.#seen && stream.maySpeak()) stream.speak();
    this.#seen = sent;
  }
}
