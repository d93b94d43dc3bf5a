/**
 * Runs the transfers of a plan, a few at a time, while the plan is still being
 * made. One failing file does not stop the others, unless they would fail for
 * the same reason. Holds neither the plan nor its failures: both may be long.
 */
import { WorkQueue } from '../../base/async/work-queue.ts';
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { DownloadResult, Progress } from '../../client/download/options.ts';
import type { PackLimits } from '../../client/exchange/requests/limits.ts';
import type { LeftOut } from '../../client/tree/plan/left-out.ts';
import { LookAhead } from '../../client/tree/plan/look-ahead.ts';
import type { FileJob, Plan, PlanItem } from '../../client/tree/plan/plan.ts';
import type { PackOutcome } from '../../client/tree/small-file.ts';
import type { UploadProgress, UploadResult } from '../../client/upload/options.ts';
import { type FinishedFile, type ProgressDisplay, ProgressSum } from '../progress/progress.ts';
import { writeCodecs } from '../progress/progress-text.ts';
import { leftOutLines, leftOutSummary } from './left-out-text.ts';
import { NO_PACKS, PackBuilder, type PackMover, packedProgress, packedResult } from './packs.ts';

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
  /** Moves small files of a tree together; absent where every file goes by itself. */
  packs?: PackMover<Job> | undefined;
  /** Moves one file. */
  transfer: (
    job: Job,
    onProgress: (progress: Progress | UploadProgress) => void,
  ) => Promise<DownloadResult | UploadResult>;
  /** Called when a job is over, well or not. */
  release?: (job: Job) => Promise<void> | undefined;
}

/** Packs at the same time: while one is written to the disk, the next is on its way. */
const PACKS_IN_FLIGHT = 8;

/** Files that wait for a transfer of their own, so that small ones behind them need not. */
const WAITING_SINGLES = 1024;

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
  readonly #singles = new WorkQueue<Job>(WAITING_SINGLES);
  readonly #packs = new WorkQueue<readonly Job[]>(PACKS_IN_FLIGHT);
  #packsWork = false;
  #untaken = 0;
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
    const { packs, parallel } = this.#options;
    const packLanes = Array.from({ length: packs === undefined ? 0 : PACKS_IN_FLIGHT }, () =>
      this.#packLane(),
    );
    const lanes = Array.from({ length: parallel }, () => this.#lane());
    await Promise.all([this.#route(), ...packLanes]);
    // Files that a pack could not move go by themselves.
    this.#singles.close();
    await Promise.all(lanes);
    await packs?.close();
    const notDone = this.#plan.waiting + this.#untakenFiles + this.#interruptedFiles;
    if (!this.#plan.isComplete) this.#options.endPlanning();
    await this.#plan.close();
    if (this.#options.isBatch) this.#sumUp(notDone);
    const failure = this.#firstFailure;
    if (failure !== undefined) throw this.#errorOf(failure);
    const { leftOut } = this.#options;
    if (leftOut.count > 0)
      throw new TransferError('INCOMPLETE', `left out ${leftOut.count}: ${leftOutSummary(leftOut)}`);
  }

  /** Sorts the plan: small files into packs, others into the queue of single transfers. */
  async #route(): Promise<void> {
    const pack = new PackBuilder<Job>(await this.#packLimits());
    while (!this.#isStopping) {
      // A pack waits for more files only while others are on their way.
      if (this.#plan.waiting === 0 && this.#packs.isHungry) await this.#putPack(pack);
      const item = await this.#nextItem();
      if (item === undefined) break;
      if (item.kind === 'failed') this.#failed(item.name, item.error);
      else if (!(await this.#isThere(item.job))) await this.#put(item.job, pack);
    }
    await this.#putPack(pack);
    this.#packs.close();
  }

  /** Whether it need not be moved, or cannot be: it is over then. */
  async #isThere(job: Job): Promise<boolean> {
    const { sizeBytes = 0 } = job;
    try {
      if (!(await this.#options.isThere(job))) return false;
      this.#sum.done(job, sizeBytes, sizeBytes);
      this.#skippedFiles += 1;
    } catch (reason) {
      this.#sum.dropped(job);
      this.#failed(job.name, TransferError.from(reason));
    }
    await this.#release(job);
    return true;
  }

  async #put(job: Job, pack: PackBuilder<Job>): Promise<void> {
    const { sizeBytes = 0 } = job;
    if (!this.#packsWork || this.#options.packs?.takes(job) !== true) {
      await this.#singles.put(job);
      return;
    }
    if (!pack.fits(sizeBytes)) await this.#putPack(pack);
    pack.add(job, sizeBytes);
  }

  async #packLimits(): Promise<PackLimits> {
    try {
      const limits = await this.#options.packs?.limits();
      this.#packsWork = limits !== undefined;
      return limits ?? NO_PACKS;
    } catch {
      // A server without packs, or one that cannot be reached: single transfers say so.
      return NO_PACKS;
    }
  }

  async #putPack(pack: PackBuilder<Job>): Promise<void> {
    if (pack.count > 0) await this.#packs.put(pack.take());
  }

  async #packLane(): Promise<void> {
    for (let jobs = await this.#packs.take(); jobs !== undefined; jobs = await this.#packs.take()) {
      if (this.#isStopping) this.#untaken += jobs.length;
      else await this.#movePack(jobs);
    }
  }

  async #movePack(jobs: readonly Job[]): Promise<void> {
    const left = new Set(jobs);
    const startedMs = performance.now();
    const outcomes: Promise<void>[] = [];
    try {
      await this.#options.packs?.move(jobs, (job, outcome) => {
        left.delete(job);
        outcomes.push(this.#packed(job, outcome, performance.now() - startedMs));
      });
    } catch (reason) {
      const error = TransferError.from(reason);
      for (const job of left) {
        this.#sum.dropped(job);
        this.#failed(job.name, error);
        await this.#release(job);
      }
    }
    await Promise.all(outcomes);
  }

  async #packed(job: Job, outcome: PackOutcome, durationMs: number): Promise<void> {
    const { direction, display, packs } = this.#options;
    const { name, path, sizeBytes = 0 } = job;
    if (outcome === 'single') {
      await this.#singles.put(job);
      return;
    }
    if (!(outcome instanceof TransferError)) {
      const result = packedResult(sizeBytes, outcome.version, packs?.verifies ?? false, durationMs);
      const progress = packedProgress(direction, name, sizeBytes);
      display.show(this.#sum.update(job, progress, performance.now()));
      display.finished({ name, path, direction, result });
      this.#sum.done(job, sizeBytes, 0);
      this.#movedFiles += 1;
      this.#movedBytes += sizeBytes;
    } else {
      this.#sum.dropped(job);
      this.#failed(name, outcome);
    }
    await this.#release(job);
  }

  /** Files that were found and never tried. */
  get #untakenFiles(): number {
    return this.#untaken + this.#singles.length;
  }

  async #lane(): Promise<void> {
    for (let job = await this.#singles.take(); job !== undefined; job = await this.#singles.take()) {
      if (this.#isStopping) {
        this.#untaken += 1;
        continue;
      }
      await this.#move(job);
      await this.#release(job);
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
    const { direction, display, transfer, verbose } = this.#options;
    const { name, path } = job;
    try {
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
    for (const line of leftOutLines(leftOut)) display.note(line);
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
