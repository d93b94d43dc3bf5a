/**
 * The account of one upload: attempts, restarts, phase, what is durable, and
 * the reports made of it. Chunks do not report; a timer looks at the parts.
 */

import { TransferError } from '../../base/errors.ts';
import type { ChoiceSummary } from '../../compression/codec-choice.ts';
import type { CallLink } from '../../flow/connections/call-link.ts';
import { CodecAccount } from '../codec-account.ts';
import { PROGRESS_INTERVAL_MS } from '../limits.ts';
import type { UploadPhase, UploadProgress } from './options.ts';

export class UploadReporter {
  attempts = 1;
  restarts = 0;
  /** Bytes that an earlier run had sent. */
  resumedBytes = 0;
  /** Bytes that are durable on the server, as far as it has said. */
  durableBytes = 0;
  /** Undefined until it is known. */
  sizeBytes: number | undefined;
  /** How much has gone to the network; set by whoever sends. */
  sentBytes: () => number = () => 0;
  /** What the listener threw; the upload ends with it. */
  thrown: TransferError | undefined;
  /** Called when `thrown` is set. */
  onThrown: ((error: TransferError) => void) | undefined;
  readonly codecs = new CodecAccount();
  /** How bytes were coded and why; undefined when there was nothing to choose. */
  codings: () => ChoiceSummary | undefined = () => undefined;
  /** What the newest call has learnt of the way to the server. */
  link: CallLink | undefined;
  readonly #name: string;
  readonly #report: ((progress: UploadProgress) => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #startedAtMs = performance.now();
  #phase: UploadPhase = 'sending';
  #reported = '';

  constructor(name: string, report: ((progress: UploadProgress) => void) | undefined) {
    this.#name = name;
    this.#report = report;
    if (report !== undefined) this.#timer = setInterval(() => this.#tick(), PROGRESS_INTERVAL_MS).unref();
  }

  /** Somebody wants to know what is durable. */
  get hasListener(): boolean {
    return this.#report !== undefined;
  }

  get durationMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  /** Moves to a phase and reports it at once. */
  enter(phase: UploadPhase): void {
    this.#phase = phase;
    this.#emit();
  }

  /** Stops reporting; safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#reported !== `${this.sentBytes()} ${this.durableBytes}`) this.#emit();
  }

  #emit(): void {
    if (this.#report === undefined) return;
    const sentBytes = this.sentBytes();
    this.#reported = `${sentBytes} ${this.durableBytes}`;
    try {
      this.#report({
        name: this.#name,
        phase: this.#phase,
        sizeBytes: this.sizeBytes,
        sentBytes,
        durableBytes: this.durableBytes,
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
