/**
 * Requests to the store: a bounded number under way, each with a limit of time,
 * and tried again after random backoff where that can help.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Semaphore } from '../../base/async/semaphore.ts';
import type { Logger } from '../../base/logger.ts';
import { isTransient, saidOf, statusOf } from './s3-error.ts';

/** With the limit of an attempt, a request ends within about a minute. */
const MAX_ATTEMPTS = 4;
export const ATTEMPT_TIMEOUT_MS = 15_000;

/** The most before the second attempt; doubled for each one after it. */
const BACKOFF_MS = 200;

/** Refusals that are an answer: there is no such object, or another one. */
const ANSWERS: ReadonlySet<number | undefined> = new Set([404, 412]);

export class Attempts {
  readonly #places: Semaphore;
  readonly #logger: Logger;

  constructor(requests: number, logger: Logger) {
    this.#places = new Semaphore(requests);
    this.#logger = logger;
  }

  /**
   * Runs `attempt` until it succeeds, or fails with what no further attempt changes. Throws what the last one
   * threw, or the reason of `signal`.
   *
   * @param timeoutMs of each attempt
   */
  async run<T>(
    attempt: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
    timeoutMs = ATTEMPT_TIMEOUT_MS,
  ): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await this.#once(attempt, signal, timeoutMs);
      } catch (reason) {
        signal?.throwIfAborted();
        if (failures >= MAX_ATTEMPTS || !isTransient(reason)) throw this.#noted(reason);
      }
      const backoffMs = Math.random() * BACKOFF_MS * 2 ** (failures - 1);
      await delay(backoffMs, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** Runs `work`, a request beside those of `run`, if it can begin at once; undefined: too many are under way. */
  spare(work: () => Promise<void>): Promise<void> | undefined {
    return this.#places.isFree ? this.#places.run(work) : undefined;
  }

  /** A single attempt; its signal aborts with `signal`, and when it takes too long. */
  async #once<T>(
    attempt: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
    timeoutMs: number,
  ): Promise<T> {
    return await this.#places.run(async () => {
      signal?.throwIfAborted();
      const controller = new AbortController();
      const abort = () => controller.abort(signal?.reason);
      const late = () => controller.abort(new Error(`no answer within ${timeoutMs} ms`));
      signal?.addEventListener('abort', abort);
      const timer = setTimeout(late, timeoutMs);
      try {
        return await attempt(controller.signal);
      } catch (reason) {
        // The SDK has an error of its own for an abort.
        controller.signal.throwIfAborted();
        throw reason;
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      }
    }, signal);
  }

  /** Peers learn little of what the store says; the operator learns all. */
  #noted(reason: unknown): unknown {
    if (!ANSWERS.has(statusOf(reason)))
      this.#logger.warn({ said: saidOf(reason) }, 'a request to the object store failed');
    return reason;
  }
}
