/** How a `get` or `put` of any number of files shows itself, and how it ends. */
import { TransferError } from '../../base/errors.ts';
import type { Progress } from '../../client/download/options.ts';
import type { FinishedFile, RunFailure, RunObserver, RunOutcome } from '../../client/tree/run/run.ts';
import type { TreeProgress } from '../../client/tree/run/totals.ts';
import type { UploadProgress } from '../../client/upload/options.ts';
import { type ProgressDisplay, Snapshots } from '../progress/progress.ts';
import { writeCodecs } from '../progress/progress-text.ts';
import { leftOutLines, leftOutSummary } from './left-out-text.ts';

export interface BatchOptions {
  display: ProgressDisplay;
  /** Several files, or a tree: what became of them is summed up at the end. */
  isBatch: boolean;
  /** Also report codecs and wire bytes. */
  verbose: boolean;
}

export class Batch implements RunObserver {
  readonly #options: BatchOptions;
  readonly #snapshots = new Snapshots();

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  progress(latest: Progress | UploadProgress, totals: TreeProgress): void {
    this.#options.display.show(this.#snapshots.of(latest, totals, performance.now()));
  }

  finished(file: FinishedFile): void {
    const { display, verbose } = this.#options;
    display.finished(file);
    if (verbose && !file.isPacked) display.note(`${file.name}: ${writeCodecs(file.result)}`);
  }

  failed(name: string, error: TransferError): void {
    const { display, isBatch } = this.#options;
    if (isBatch) display.failed(name, error);
  }

  /** Sums up; throws the first failure, and INCOMPLETE where something was left out. */
  end({ firstFailure, summary }: RunOutcome): void {
    const { display, isBatch } = this.#options;
    const { leftOut } = summary;
    if (isBatch) {
      for (const line of leftOutLines(leftOut)) display.note(line);
      display.summary(summary);
    }
    if (firstFailure !== undefined) throw this.#errorOf(firstFailure, summary);
    if (leftOut.count > 0)
      throw new TransferError('INCOMPLETE', `left out ${leftOut.count}: ${leftOutSummary(leftOut)}`);
  }

  #errorOf({ error, name }: RunFailure, summary: RunOutcome['summary']): TransferError {
    if (!this.#options.isBatch || error.code === 'CANCELLED' || name === undefined) return error;
    const { failedFiles, files, skippedFiles } = summary;
    const tried = files + skippedFiles + failedFiles;
    const message = `${failedFiles} of ${tried} files failed, the first was ${name}: ${error.message}`;
    return new TransferError(error.code, message, { cause: error });
  }
}
