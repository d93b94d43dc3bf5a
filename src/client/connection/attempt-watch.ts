/**
 * Ends an attempt that does not move: no connection in time, or no message for
 * the stall time-out. Time in which our own side is in the way does not count,
 * and neither does time in which the event loop is blocked: ticks are counted,
 * not the clock.
 */
import { TransferError } from '../../base/errors.ts';
import { WATCH_TICKS } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Channel } from './channel.ts';

export interface Watched {
  /** Bytes the call has delivered so far, in either direction. */
  readonly deliveredBytes: number;
  /** Our own side is not reading, or has nothing to send. */
  readonly isPaused: boolean;
  /** Longer than the stall time-out that it may be still; default 0. */
  readonly extraPatienceMs?: number;
  fail(error: TransferError): void;
}

export class AttemptWatch {
  readonly #watched: Watched;
  readonly #channel: Channel;
  readonly #options: ResolvedOptions;
  readonly #problem: string;
  readonly #tickMs: number;
  readonly #timer: NodeJS.Timeout;
  #openMs = 0;
  #stillMs = 0;
  #seenBytes = 0;

  /** @param problem what a peer that stalls has done: `sent nothing` */
  constructor(watched: Watched, channel: Channel, options: ResolvedOptions, problem = 'sent nothing') {
    this.#watched = watched;
    this.#channel = channel;
    this.#options = options;
    this.#problem = problem;
    const shortestMs = Math.min(options.stallTimeoutMs, options.connectTimeoutMs);
    this.#tickMs = Math.max(1, Math.floor(shortestMs / WATCH_TICKS));
    this.#timer = setInterval(() => this.#look(), this.#tickMs);
  }

  /** Safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { deliveredBytes, extraPatienceMs = 0, isPaused } = this.#watched;
    this.#openMs += this.#tickMs;
    if (isPaused || deliveredBytes !== this.#seenBytes) {
      this.#stillMs = 0;
      this.#seenBytes = deliveredBytes;
      return;
    }
    this.#stillMs += this.#tickMs;
    const { connectTimeoutMs, stallTimeoutMs } = this.#options;
    if (deliveredBytes === 0 && this.#openMs >= connectTimeoutMs && !this.#channel.isReady) {
      this.#watched.fail(this.#channel.notConnected());
    } else if (this.#stillMs >= stallTimeoutMs + extraPatienceMs) {
      const message = `${this.#channel.address} ${this.#problem} for ${this.#stillMs} ms`;
      this.#watched.fail(new TransferError('STALLED', message));
    }
  }
}
