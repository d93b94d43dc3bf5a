/**
 * Runs the transfers of a plan, a few at a time, while the plan is still being
 * made. One failing file does not stop the others, unless they would fail for
 * the same reason. Holds neither the plan nor its failures: both may be long.
 */
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { DownloadResult, Progress } from '../../client/download/options.ts';
import type { UploadProgress, UploadResult } from '../../client/upload/options.ts';
import { type FinishedFile, type ProgressDisplay, ProgressSum } from '../progress/progress.ts';
import { writeCodecs } from '../progress/progress-text.ts';
import type { LeftOut } from './left-out.ts';
import { LookAhead } from './look-ahead.ts';
import type { FileJob, Plan, PlanItem } from './plan.ts';

/** Failures that every other file would meet as well, in both directions. */
const CONCERNING_ALL: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'UNIMPLEMENTED',
]);

export interface FileRunOptions<Job extends FileJob> {
  /** The most files at a time. */
  parallel: number;
  display: ProgressDisplay;
  /** Several files, or a tree: what became of them is summed up at the end. */
  isBatch: boolean;
  direction: FinishedFile['direction'];
  /** Also report codecs and wire bytes. */
  verbose: boolean;
  /** Failures that every other file would meet, beside those of both directions. */
  concernsAll: (error: TransferError) => boolean;
  /** What the plan does not take; filled while it is made. */
  leftOut: LeftOut;
  /** Ends waits of the planner. */
  endPlanning: () => void;
  /** Whether the file is there already, and need not be moved. */
  isThere: (job: Job) => boolean | Promise<boolean>;
  /** Moves one file. */
  transfer: (
    job: Job,
    onProgress: (progress: Progress | UploadProgress) => void,
  ) => Promise<DownloadResult | UploadResult>;
  /** Called when a job is over, well or not. */
  release?: (job: Job) => Promise<void> | undefined;
}

interface Failure {
  name: string | undefined;
  error: TransferError;
}

/**
 * Resolves when every file is where it should be; throws the first failure once
 * all others have ended, and INCOMPLETE where something was left out.
 */
export async function runFiles<Job extends FileJob>(
  plan: Plan<Job>,
  options: FileRunOptions<Job>,
): Promise<void> {
  await new FileRun(plan, options).run();
}

class FileRun<Job extends FileJob> {
  readonly #options: FileRunOptions<Job>;
  readonly #plan: LookAhead<PlanItem<Job>>;
  readonly #sum: ProgressSum;
  readonly #startedMs = performance.now();
  #firstFailure: Failure | undefined;
  #failedFiles = 0;
  #interruptedFiles = 0;
  #movedFiles = 0;
  #movedBytes = 0;
  #skippedFiles = 0;
  #isStopping = false;

  constructor(plan: Plan<Job>, options: FileRunOptions<Job>) {
    this.#options = options;
    this.#plan = new LookAhead(plan, (item) => {
      if (item.kind === 'file') this.#sum.planned(item.job.sizeBytes);
    });
    this.#sum = new ProgressSum(() => this.#plan.isComplete);
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.parallel }, () => this.#lane()));
    const notDone = this.#plan.waiting + this.#interruptedFiles;
    if (!this.#plan.isComplete) this.#options.endPlanning();
    await this.#plan.close();
    if (this.#options.isBatch) this.#sumUp(notDone);
    const failure = this.#firstFailure;
    if (failure !== undefined) throw this.#errorOf(failure);
    const { count, summary } = this.#options.leftOut;
    if (count > 0) throw new TransferError('INCOMPLETE', `left out ${count}: ${summary}`);
  }

  async #lane(): Promise<void> {
    while (!this.#isStopping) {
      const item = await this.#nextItem();
      if (item === undefined || this.#isStopping) return;
      if (item.kind === 'file') {
        await this.#move(item.job);
        await this.#release(item.job);
      } else this.#failed(item.name, item.error);
    }
  }

  async #nextItem(): Promise<PlanItem<Job> | undefined> {
    try {
      return await this.#plan.next();
    } catch (reason) {
      // Only the first lane reports.
      if (!this.#isStopping) this.#failed(undefined, TransferError.from(reason));
      this.#isStopping = true;
      return undefined;
    }
  }

  async #move(job: Job): Promise<void> {
    const { direction, display, isThere, transfer, verbose } = this.#options;
    const { name, path, sizeBytes = 0 } = job;
    try {
      if (await isThere(job)) {
        this.#sum.done(job, sizeBytes, sizeBytes);
        this.#skippedFiles += 1;
        return;
      }
      const result = await transfer(job, (progress) =>
        display.show(this.#sum.update(job, progress, performance.now())),
      );
      display.finished({ name, path, direction, result });
      if (verbose) display.note(`${name}: ${writeCodecs(result)}`);
      this.#sum.done(job, result.bytes, result.resumedBytes);
      this.#movedFiles += 1;
      this.#movedBytes += result.bytes;
    } catch (reason) {
      this.#sum.dropped(job);
      this.#failed(job.name, TransferError.from(reason));
    }
  }

  async #release(job: Job): Promise<void> {
    try {
      await this.#options.release?.(job);
    } catch (reason) {
      this.#failed(job.name, TransferError.from(reason));
    }
  }

  #failed(name: string | undefined, error: TransferError): void {
    this.#firstFailure ??= { name, error };
    if (error.code === 'CANCELLED') this.#interruptedFiles += name === undefined ? 0 : 1;
    else this.#failedFiles += 1;
    if (CONCERNING_ALL.has(error.code) || this.#options.concernsAll(error)) this.#isStopping = true;
    else if (this.#options.isBatch && name !== undefined)
      this.#options.display.note(`${name}: failed: ${error.message}`);
  }

  #sumUp(notDoneFiles: number): void {
    const { display, leftOut } = this.#options;
    for (const line of leftOut.lines()) display.note(line);
    display.summary({
      files: this.#movedFiles,
      bytes: this.#movedBytes,
      durationMs: performance.now() - this.#startedMs,
      skippedFiles: this.#skippedFiles,
      failedFiles: this.#failedFiles,
      notDoneFiles,
      isPlanComplete: this.#plan.isComplete,
      leftOut,
    });
  }

  #errorOf({ error, name }: Failure): TransferError {
    if (!this.#options.isBatch || error.code === 'CANCELLED' || name === undefined) return error;
    const tried = this.#movedFiles + this.#skippedFiles + this.#failedFiles;
    const message = `${this.#failedFiles} of ${tried} files failed, the first was ${name}: ${error.message}`;
    return new TransferError(error.code, message, { cause: error });
  }
}
