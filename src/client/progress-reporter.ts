/**
 * The account of one transfer: attempts, restarts, phase, and the reports of
 * them. A timer reads the amounts, so that the path of a chunk costs the same
 * with and without a listener.
 */
import { TransferError } from '../base/errors.ts';
import { CodecAccount } from './codec-account.ts';
import { PROGRESS_INTERVAL_MS } from './limits.ts';

interface Report<Phase> {
  readonly phase: Phase;
  readonly resumedBytes: number;
  readonly attempt: number;
  readonly restarts: number;
}

/** `Amounts` is what the reports of one direction say besides. */
export abstract class ProgressReporter<Phase extends string, Amounts extends object> {
  attempts: number;
  restarts = 0;
  /** Bytes kept from an earlier run; grows while they are checked. */
  resumedBytes = 0;
  /** What the listener threw; the transfer ends with it. */
  thrown: TransferError | undefined;
  /** Called when `thrown` is set. */
  onThrown: ((error: TransferError) => void) | undefined;
  readonly codecs = new CodecAccount();
  readonly #report: ((report: Amounts & Report<Phase>) => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #startedAtMs = performance.now();
  /** Nothing is told before the first one is entered. */
  #phase: Phase | undefined;
  #reported = '';

  constructor(attempts: number, report: ((report: Amounts & Report<Phase>) => void) | undefined) {
    this.attempts = attempts;
    this.#report = report;
    if (report !== undefined) this.#timer = setInterval(() => this.#tick(), PROGRESS_INTERVAL_MS).unref();
  }

  /** How far it is now. */
  protected abstract amounts(): Amounts;

  get hasListener(): boolean {
    return this.#report !== undefined;
  }

  get durationMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  /** Moves to a phase and reports it at once. */
  enter(phase: Phase): void {
    this.#phase = phase;
    if (this.#report !== undefined) this.#emit(phase, this.amounts());
  }

  /** Stops reporting; safe to call twice. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#phase === undefined) return;
    const amounts = this.amounts();
    if (this.#reported !== this.#fingerprint(amounts)) this.#emit(this.#phase, amounts);
  }

  #fingerprint(amounts: Amounts): string {
    return JSON.stringify([amounts, this.resumedBytes]);
  }

  #emit(phase: Phase, amounts: Amounts): void {
    this.#reported = this.#fingerprint(amounts);
    const { attempts: attempt, restarts, resumedBytes } = this;
    try {
      this.#report?.({ ...amounts, phase, resumedBytes, attempt, restarts });
    } catch (cause) {
      this.close();
      this.thrown = new TransferError('INTERNAL', 'the progress listener threw', { cause });
      this.onThrown?.(this.thrown);
    }
  }
}
