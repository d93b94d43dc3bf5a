/**
 * Asks from time to time how far an upload is durable: for progress, and to
 * free the kept bytes of a stream. Failures are left to the attempts.
 */
import { STATUS_INTERVAL_MS } from '../limits.ts';
import type { UploadCalls } from './calls.ts';
import type { UploadOpening } from './opening.ts';
import type { UploadReporter } from './progress.ts';
import type { OpenSource } from './sources/source.ts';
import type { UploadState } from './state.ts';

export interface DurableWatchContext {
  readonly opening: UploadOpening;
  readonly calls: UploadCalls;
  readonly source: OpenSource;
  readonly progress: UploadReporter;
  onState(state: UploadState): void;
}

/** Checks in each status interval: a source that waits for durable bytes has the server asked at each. */
const PRESSED_CHECKS = 20;

export class DurableWatch {
  readonly #context: DurableWatchContext;
  readonly #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #isAsking = false;
  #isClosed = false;

  constructor(context: DurableWatchContext) {
    this.#context = context;
    const { progress, source } = context;
    if (source.isSeekable && !progress.hasListener) return;
    this.#timer = setInterval(() => this.#tick(), STATUS_INTERVAL_MS / PRESSED_CHECKS).unref();
    source.onPressed = () => void this.#ask();
  }

  /** Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#context.source.onPressed = undefined;
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#ticks += 1;
    if (this.#context.source.isPressed || this.#ticks % PRESSED_CHECKS === 0) void this.#ask();
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    const { calls, opening, source } = this.#context;
    this.#isAsking = true;
    try {
      const state = await calls.status(opening.uploadId, source.size, source.isPressed);
      if (!this.#isClosed) this.#context.onState(state);
    } catch {
      // The attempts get the same failure and handle it.
    } finally {
      this.#isAsking = false;
    }
  }
}
