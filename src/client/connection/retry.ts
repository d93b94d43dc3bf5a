/**
 * When a failed attempt is followed by another one, and after which wait.
 * The budget counts consecutive attempts without progress; a new byte refills it.
 */
import type { ServiceError } from '@grpc/grpc-js';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import { FIRST_CONNECT_MS, FIRST_CONNECT_TRIES, FIRST_CONNECT_WAITS } from '../limits.ts';
import type { ResolvedRetry } from '../options.ts';
import { cancelledBy, delay } from './cancellation.ts';
import type { Channel } from './channel.ts';

/**
 * Failures after which another attempt may succeed. VERSION_MISMATCH and
 * FILE_CHANGED need a decision first, see `Transfer`.
 */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'STALLED',
  'EVICTED',
  'ABORTED',
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'CHECKSUM_MISMATCH',
  'PROTOCOL_ERROR',
  // Uploads: space may be freed, and lost bytes are sent again.
  'DISK_FULL',
  'WRITE_FAILED',
  'GAP',
  'TAKEN_OVER',
  // What grpc-js reports for most resets of a stream.
  'INTERNAL',
]);

/** Waits for a full disk are this many times longer: freeing space takes somebody time. */
const DISK_FULL_FACTOR = 10;

export class RetryBudget {
  readonly #options: ResolvedRetry;
  #failures = 0;
  /** A proof was renewed, and nothing has moved since. */
  #hasRenewed = false;
  #lastProgressAtMs = performance.now();

  constructor(options: ResolvedRetry) {
    this.#options = options;
  }

  /** The attempt that just failed brought bytes that had not arrived before. */
  refill(): void {
    // The next failure counts as the first after progress.
    this.#failures = -1;
    this.#hasRenewed = false;
    this.#lastProgressAtMs = performance.now();
  }

  /**
   * Counts a failure. Returns the wait before the next attempt in
   * milliseconds, or undefined when there should be none.
   *
   * @param hasConnected the server has answered this client before
   */
  spend(error: TransferError, hasConnected: boolean): number | undefined {
    if (error.code === 'UNAUTHENTICATED') return this.#renewal();
    this.#failures += 1;
    if (!RETRYABLE.has(error.code) || this.#isExhausted(error.code, hasConnected)) return undefined;
    const pushbackMs = pushbackMsOf(error);
    if (pushbackMs !== undefined && pushbackMs < 0) return undefined;
    const { initialBackoffMs, maxBackoffMs } = this.#options;
    const firstMs = initialBackoffMs * (error.code === 'DISK_FULL' ? DISK_FULL_FACTOR : 1);
    const boundMs = Math.min(maxBackoffMs, firstMs * 2 ** Math.max(0, this.#failures - 1));
    // Full jitter: clients that failed together must not return together.
    return Math.max(Math.random() * boundMs, Math.min(pushbackMs ?? 0, maxBackoffMs));
  }

  /** Once: a new proof is accepted, or it is wrong as well. */
  #renewal(): 0 | undefined {
    if (!this.#options.renewsProof || this.#hasRenewed) return undefined;
    this.#hasRenewed = true;
    return 0;
  }

  #isExhausted(code: ErrorCode, hasConnected: boolean): boolean {
    if (code !== 'UNAVAILABLE') return this.#failures >= this.#options.attempts;
    const outageMs = performance.now() - this.#lastProgressAtMs;
    if (!hasConnected) return this.#isUnreachable(outageMs);
    return this.#failures >= this.#options.attempts && outageMs >= this.#options.outageMs;
  }

  /** A wrong address must fail soon; a server that restarts is back by then. */
  #isUnreachable(elapsedMs: number): boolean {
    const restartMs = Math.min(FIRST_CONNECT_WAITS * this.#options.initialBackoffMs, this.#options.outageMs);
    const hasTried = this.#failures >= FIRST_CONNECT_TRIES && elapsedMs >= restartMs;
    return hasTried || elapsedMs >= FIRST_CONNECT_MS || this.#failures >= this.#options.attempts;
  }
}

/** The wait the server asks for with its status, in milliseconds; negative: do not try again. */
function pushbackMsOf(error: TransferError): number | undefined {
  const { cause } = error;
  if (typeof cause !== 'object' || cause === null || !('metadata' in cause)) return undefined;
  const sent = (cause as ServiceError).metadata?.get('grpc-retry-pushback-ms')[0];
  const pushbackMs = typeof sent === 'string' ? Number(sent) : Number.NaN;
  return Number.isFinite(pushbackMs) ? pushbackMs : undefined;
}

/** The interruption of unary calls and listings. */
export const UNANSWERED = 'not answered; trying again';

export interface RetryContext {
  readonly retry: ResolvedRetry;
  /** Knows whether a server has answered before, and logs interruptions. */
  readonly channel: Pick<Channel, 'hasAnother' | 'hasConnected' | 'interruptions'>;
  /** What an interruption does: `transfer interrupted; resuming`. */
  readonly what: string;
  /** The name of the file, for the log. */
  readonly name?: string;
  readonly signal: AbortSignal | undefined;
  /** Told before each wait. */
  readonly onWait?: (error: TransferError) => void;
}

/** The attempts of one transfer or call, within one budget. */
export class Retry {
  readonly #context: RetryContext;
  readonly #budget: RetryBudget;

  constructor(context: RetryContext) {
    this.#context = context;
    this.#budget = new RetryBudget(context.retry);
  }

  /** As `RetryBudget.refill`. */
  refill(): void {
    this.#budget.refill();
  }

  /**
   * Waits before the next attempt, and tells the log why. Throws `error` when
   * there should be none, and CANCELLED after an abort.
   */
  async pause(error: TransferError, fields: { offset?: number } = {}): Promise<void> {
    const { channel, name, onWait, signal, what } = this.#context;
    if (signal?.aborted) throw cancelledBy(signal);
    const waitMs = this.#budget.spend(error, channel.hasConnected);
    if (waitMs === undefined) throw error;
    const named = name === undefined ? fields : { name, ...fields };
    channel.interruptions.tell(channel, what, error, waitMs, named);
    onWait?.(error);
    await delay(waitMs, signal);
  }

  /** Repeats `call` until it succeeds; rejects as `pause` does. */
  async run<Response>(call: () => Promise<Response>): Promise<Response> {
    for (;;) {
      try {
        return await call();
      } catch (reason) {
        await this.pause(TransferError.from(reason));
      }
    }
  }
}
