/**
 * Ends an attempt that does not move: no connection in time, or no message for
 * the stall timeout. Time in which this side holds up the transfer does not count.
 */
import { TransferError } from '../../base/errors.ts';
import { StallClock, type Watched } from '../../base/stall-clock.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Channel } from './channel.ts';

export interface WatchedAttempt {
  /** Bytes the call has delivered so far, in either direction. */
  readonly deliveredBytes: number;
  /** This side is not reading, or has nothing to send. */
  readonly isPaused: boolean;
  /** Longer than the stall timeout that it may be still; default 0. */
  readonly extraTimeoutMs?: number;
  fail(error: TransferError): void;
}

export class AttemptWatch implements Watched {
  readonly #attempt: WatchedAttempt;
  readonly #channel: Channel;
  readonly #options: ResolvedOptions;
  readonly #problem: string;
  readonly #clock: StallClock;

  /** @param problem what a peer that stalls has done: `sent nothing` */
  constructor(attempt: WatchedAttempt, channel: Channel, options: ResolvedOptions, problem = 'sent nothing') {
    this.#attempt = attempt;
    this.#channel = channel;
    this.#options = options;
    this.#problem = problem;
    this.#clock = new StallClock(this, Math.min(options.stallTimeoutMs, options.connectTimeoutMs));
  }

  get movedBytes(): number {
    return this.#attempt.deliveredBytes;
  }

  get isHeldUp(): boolean {
    return this.#attempt.isPaused;
  }

  still(stillMs: number): void {
    const { connectTimeoutMs, stallTimeoutMs } = this.#options;
    const { deliveredBytes, extraTimeoutMs = 0 } = this.#attempt;
    if (deliveredBytes === 0 && stillMs >= connectTimeoutMs && !this.#channel.isReady) {
      this.#attempt.fail(this.#channel.notConnected());
    } else if (stillMs >= stallTimeoutMs + extraTimeoutMs) {
      const message = `${this.#channel.address} ${this.#problem} for ${stillMs} ms`;
      this.#attempt.fail(new TransferError('STALLED', message));
    }
  }

  /** Safe to call twice. */
  close(): void {
    this.#clock.close();
  }
}
