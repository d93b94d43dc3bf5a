/**
 * One call that moves a tree: tells the events of its run to the caller, and
 * makes the result. Holds only the first failures: there may be many.
 */
import { TransferError } from '../../base/errors.ts';
import { cancelledBy } from '../connection/cancellation.ts';
import type { Progress } from '../download/options.ts';
import { PROGRESS_INTERVAL_MS } from '../limits.ts';
import type { UploadProgress } from '../upload/options.ts';
import { parallelOf, type TreeFailure, type TreeOptions, type TreeResult } from './options.ts';
import type { FinishedFile, RunObserver, RunOutcome } from './run/run.ts';
import type { TreeProgress } from './run/totals.ts';

/** More failures are only counted. */
const MAX_FAILURES = 100;

export class TreeCall implements RunObserver {
  readonly parallel: number;
  /** Aborted by the caller, and where a callback threw. */
  readonly signal: AbortSignal;
  readonly #options: TreeOptions;
  readonly #thrown = new AbortController();
  readonly #failures: TreeFailure[] = [];
  #nextProgressMs = 0;

  /** Throws INVALID_ARGUMENT for a bad option, and what a signal says that is aborted already. */
  constructor(options: TreeOptions) {
    const { signal } = options;
    if (signal?.aborted) throw cancelledBy(signal);
    this.parallel = parallelOf(options);
    this.signal = AbortSignal.any([this.#thrown.signal, ...(signal === undefined ? [] : [signal])]);
    this.#options = options;
  }

  progress(_latest: Progress | UploadProgress, totals: TreeProgress): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextProgressMs) return;
    this.#nextProgressMs = nowMs + PROGRESS_INTERVAL_MS;
    this.#tell(() => this.#options.onProgress?.(totals));
  }

  finished({ name, path, result }: FinishedFile): void {
    const { bytes, version } = result;
    this.#tell(() => this.#options.onFile?.({ name, path, bytes, version }));
  }

  failed(name: string, error: TransferError): void {
    const failure = { name, error };
    if (this.#failures.length < MAX_FAILURES) this.#failures.push(failure);
    this.#tell(() => this.#options.onFailure?.(failure));
  }

  /** Throws what concerned all files, what the signal says, and INTERNAL for a callback that threw. */
  result({ stoppedBy, summary, totals }: RunOutcome): TreeResult {
    if (stoppedBy === undefined) this.#tell(() => this.#options.onProgress?.(totals));
    if (this.#thrown.signal.aborted) throw cancelledBy(this.#thrown.signal);
    if (stoppedBy !== undefined) throw this.signal.aborted ? cancelledBy(this.signal) : stoppedBy;
    const { bytes, durationMs, failedFiles, files, leftOut, skippedFiles } = summary;
    return {
      files,
      bytes,
      skippedFiles,
      failedFiles,
      failures: this.#failures,
      leftOut: leftOut.kinds,
      durationMs,
    };
  }

  #tell(callback: () => void): void {
    if (this.#thrown.signal.aborted) return;
    try {
      callback();
    } catch (cause) {
      this.#thrown.abort(new TransferError('INTERNAL', 'a callback of the tree threw', { cause }));
    }
  }
}
