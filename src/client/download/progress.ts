/**
 * The account of one transfer: attempts, restarts, phase, and the reports made
 * of it. Chunks do not report; a timer looks at the position, so that the way
 * of a chunk costs the same with and without a listener.
 */
import { TransferError } from '../../base/errors.ts';
import { CodecAccount } from '../codec-account.ts';
import { PROGRESS_INTERVAL_MS } from '../limits.ts';
import type { Progress, TransferPhase } from './options.ts';
import type { Position } from './position.ts';

export class ProgressReporter {
  attempts = 0;
  restarts = 0;
  /** Bytes taken over from an earlier run; grows while they are checked. */
  resumedBytes = 0;
  /** What the listener threw; the transfer ends with it. */
  thrown: TransferError | undefined;
  /** Called when `thrown` is set. */
  onThrown: ((error: TransferError) => void) | undefined;
  readonly codecs = new CodecAccount();
  readonly #position: Position;
  readonly #report: ((progress: Progress) => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #startedAtMs = performance.now();
  #phase: TransferPhase = 'receiving';
  /** Nothing is told before the first phase is entered. */
  #reportedBytes = 0;

  constructor(position: Position, report: ((progress: Progress) => void) | undefined) {
    this.#position = position;
    this.#report = report;
    if (report !== undefined) this.#timer = setInterval(() => this.#tick(), PROGRESS_INTERVAL_MS).unref();
  }

  get durationMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  /** Moves to a phase and reports it at once. */
  enter(phase: TransferPhase): void {
    this.#phase = phase;
    this.#emit();
  }

  /** Stops reporting; safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#reportedBytes !== this.#movedBytes()) this.#emit();
  }

  #movedBytes(): number {
    return this.#position.receivedBytes + this.resumedBytes;
  }

  #emit(): void {
    if (this.#report === undefined) return;
    this.#reportedBytes = this.#movedBytes();
    const { request, end, receivedBytes } = this.#position;
    try {
      this.#report({
        name: request.name,
        phase: this.#phase,
        sizeBytes: end === undefined ? undefined : end - request.start,
        receivedBytes,
        resumedBytes: this.resumedBytes,
        attempt: this.attempts,
        restarts: this.restarts,
      });
    } catch (cause) {
      this.close();
      this.thrown = new TransferError('INTERNAL', 'the progress listener threw', { cause });
      this.onThrown?.(this.thrown);
    }
  }
}
