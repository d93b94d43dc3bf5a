/**
 * Memory that one response fills, and that a second one goes on with where the first
 * is late. The one that has the next byte goes on alone.
 *
 *   request ──late──▶ request, second request ──next byte──▶ the one that has it
 *
 * Invariant: before a byte is written, every other request has been aborted, and an
 * aborted one writes nothing more.
 */
import type { Readable } from 'node:stream';
import { isTransient } from '../s3-error.ts';
import { fillFrom } from './fill-from.ts';
import type { Hedging } from './hedging.ts';

export interface FillContext {
  readonly target: Uint8Array<SharedArrayBuffer>;
  /** Asks for what belongs into `target` from `at` on. */
  readonly open: (at: number, signal: AbortSignal) => Promise<Readable>;
  /** null: there is never a second request. */
  readonly hedging: Pick<Hedging, 'ended' | 'lateMs' | 'observe' | 'take'> | null;
  /** Runs a second request; undefined where none may be made now. */
  readonly spare: (work: () => Promise<void>) => Promise<void> | undefined;
}

export class HedgedFill {
  /** Bytes that are in `target`, from its beginning. */
  #done = 0;
  readonly #context: FillContext;

  constructor(context: FillContext) {
    this.#context = context;
  }

  /**
   * Fills what is missing. Settles once nothing more is written to `target`, at once when `signal` aborts; after a
   * failure another call goes on.
   *
   * @throws what the last request failed with, or any request with what is not transient
   */
  run(signal: AbortSignal): Promise<void> {
    if (this.#done === this.#context.target.length) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const race = new Race(this.#context, this.#done, (bytes) => {
        this.#done += bytes;
      });
      const abort = () => race.end(signal.reason as Error);
      signal.addEventListener('abort', abort);
      race.onEnd = (error) => {
        signal.removeEventListener('abort', abort);
        if (error === undefined) resolve();
        else reject(error);
      };
      if (signal.aborted) abort();
      else race.begin();
    });
  }

  /** What is in `target` is not what belongs there: all of it is missing. */
  discard(): void {
    this.#done = 0;
  }
}

class Race {
  onEnd: (error?: Error) => void = () => {};
  readonly #context: FillContext;
  readonly #onBytes: (bytes: number) => void;
  /** One or two. */
  readonly #requests = new Set<AbortController>();
  #at: number;
  #lastByteMs = performance.now();
  #longestWaitMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(context: FillContext, at: number, onBytes: (bytes: number) => void) {
    this.#context = context;
    this.#at = at;
    this.#onBytes = onBytes;
  }

  begin(): void {
    void this.#request();
    this.#watch();
  }

  /** Only the first end counts. */
  end(error?: Error): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#abortAllBut(undefined);
    if (error === undefined) this.#context.hedging?.observe(this.#longestWaitMs);
    this.onEnd(error);
  }

  /** Resolves when the request is over, with whether any byte of it was taken. */
  async #request(): Promise<boolean> {
    const { open, target } = this.#context;
    const controller = new AbortController();
    let wasTaken = false;
    const { signal } = controller;
    this.#requests.add(controller);
    try {
      // Where another request moves on, this one is aborted: it begins where it was asked to.
      const at = this.#at;
      const body = await open(at, signal);
      const took = (bytes: number) => {
        wasTaken = true;
        this.#took(bytes, controller);
      };
      await fillFrom(body, target.subarray(at), took, signal);
      this.end();
    } catch (reason) {
      const wasAborted = !this.#requests.delete(controller);
      if (!wasAborted && (this.#requests.size === 0 || !isTransient(reason))) this.end(reason as Error);
    }
    return wasTaken;
  }

  #took(bytes: number, by: AbortController): void {
    this.#abortAllBut(by);
    this.#at += bytes;
    this.#onBytes(bytes);
    const nowMs = performance.now();
    this.#longestWaitMs = Math.max(this.#longestWaitMs, nowMs - this.#lastByteMs);
    this.#lastByteMs = nowMs;
  }

  #abortAllBut(winner: AbortController | undefined): void {
    if (this.#requests.size === 1 && winner !== undefined) return;
    for (const each of this.#requests) {
      if (each === winner) continue;
      this.#requests.delete(each);
      each.abort();
    }
  }

  /** Looks from time to time whether the read is late. */
  #watch(waitedMs = 0): void {
    const lateMs = this.#context.hedging?.lateMs ?? Number.POSITIVE_INFINITY;
    if (lateMs === Number.POSITIVE_INFINITY) return;
    // Bytes that have come while this event loop was busy are taken first.
    this.#timer = setTimeout(() => setImmediate(() => this.#look(lateMs)), lateMs - waitedMs);
  }

  #look(lateMs: number): void {
    if (this.#hasEnded) return;
    const waitedMs = performance.now() - this.#lastByteMs;
    if (waitedMs >= lateMs) this.#hedge();
    this.#watch(waitedMs < lateMs ? waitedMs : 0);
  }

  #hedge(): void {
    const { hedging, spare } = this.#context;
    if (this.#requests.size !== 1) return;
    void spare(async () => {
      if (hedging?.take() === true) hedging.ended(await this.#request());
    });
  }
}
