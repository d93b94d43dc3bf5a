/**
 * Runs the transfers of a plan, a few at a time, while the plan is still being
 * made. One failing file does not stop the others, unless they would fail for
 * the same reason. Holds neither the plan nor its failures: both may be long.
 */
import { WorkQueue } from '../../../base/async/work-queue.ts';
import { type ErrorCode, TransferError } from '../../../base/errors.ts';
import type { DownloadResult, Progress } from '../../download/options.ts';
import type { PackLimits } from '../../exchange/requests/limits.ts';
import type { UploadProgress, UploadResult } from '../../upload/options.ts';
import { LeftOut } from '../plan/left-out.ts';
import { LookAhead } from '../plan/look-ahead.ts';
import type { FileJob, PlanItem, Planner } from '../plan/plan.ts';
import type { PackOutcome } from '../small-file.ts';
import { NO_PACKS, PackBuilder, type PackMover, packedProgress, packedResult } from './packs.ts';
import type { Direction, RunFailure, RunObserver, RunOutcome, RunSummary } from './run.ts';
import { Totals } from './totals.ts';

/** Failures that every other file would meet as well, in both directions. */
const CONCERNING_ALL: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'UNIMPLEMENTED',
]);

export interface FileRunOptions<Job extends FileJob> {
  /** The most files at a time, packs aside. */
  parallel: number;
  observer: RunObserver;
  direction: Direction;
  signal: AbortSignal;
  /** Failures that every other file would meet, beside those of both directions. */
  concernsAll: (error: TransferError) => boolean;
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

/** Files that wait for a transfer of their own, so that small ones behind them need not. */
const WAITING_SINGLES = 1024;

/** Resolves when every file is where it should be, or is known not to get there. */
export async function runFiles<Job extends FileJob>(
  planner: Planner<Job>,
  options: FileRunOptions<Job>,
): Promise<RunOutcome> {
  return await new FileRun(planner, options).run();
}

class FileRun<Job extends FileJob> {
  readonly #options: FileRunOptions<Job>;
  readonly #plan: LookAhead<PlanItem<Job>>;
  readonly #planning = new AbortController();
  readonly #leftOut = new LeftOut();
  readonly #totals: Totals;
  readonly #startedMs = performance.now();
  readonly #singles = new WorkQueue<Job>(WAITING_SINGLES);
  readonly #packs: WorkQueue<readonly Job[]>;
  #packsWork = false;
  #untaken = 0;
  #firstFailure: RunFailure | undefined;
  #stoppedBy: TransferError | undefined;
  #defect: TransferError | undefined;
  #failedFiles = 0;
  #interruptedFiles = 0;
  #movedFiles = 0;
  #movedBytes = 0;
  #skippedFiles = 0;

  constructor(planner: Planner<Job>, options: FileRunOptions<Job>) {
    this.#options = options;
    this.#packs = new WorkQueue(options.packs?.inFlight ?? 0);
    const signal = AbortSignal.any([this.#planning.signal, options.signal]);
    this.#plan = new LookAhead(planner({ leftOut: this.#leftOut, signal }), (item) => {
      if (item.kind === 'file') this.#totals.found(item.job.sizeBytes);
    });
    this.#totals = new Totals(options.direction, () => this.#plan.isComplete);
  }

  async run(): Promise<RunOutcome> {
    const { packs, parallel } = this.#options;
    const packLanes = Array.from({ length: packs?.inFlight ?? 0 }, () => this.#orEnd(this.#packLane()));
    const lanes = Array.from({ length: parallel }, () => this.#orEnd(this.#lane()));
    await Promise.all([this.#orEnd(this.#route()), ...packLanes]);
    // Files that a pack could not move go by themselves.
    this.#singles.close();
    await Promise.all(lanes);
    await packs?.close();
    const notDone = this.#plan.waiting + this.#untakenFiles + this.#interruptedFiles;
    if (!this.#plan.isComplete) this.#planning.abort();
    await this.#plan.close();
    if (this.#defect !== undefined) throw this.#defect;
    return {
      summary: this.#summary(notDone),
      totals: this.#totals.now,
      firstFailure: this.#firstFailure,
      stoppedBy: this.#stoppedBy,
    };
  }

  /** No part should throw. Where one does, the others end with what they have under way, and the run throws behind them. */
  async #orEnd(part: Promise<void>): Promise<void> {
    try {
      await part;
    } catch (reason) {
      this.#defect ??= TransferError.from(reason);
      this.#stoppedBy ??= this.#defect;
      this.#planning.abort();
      this.#packs.close();
      this.#singles.close();
    }
  }

  get #isStopping(): boolean {
    return this.#stoppedBy !== undefined;
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
      this.#totals.done(job, sizeBytes, sizeBytes);
      this.#skippedFiles += 1;
    } catch (reason) {
      this.#totals.dropped(job);
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
    const unsettled: Promise<void>[] = [];
    let lastMoved: Job | undefined;
    try {
      await this.#options.packs?.move(jobs, (job, outcome) => {
        left.delete(job);
        if (isVersion(outcome)) lastMoved = job;
        const settling = this.#packed(job, outcome, performance.now() - startedMs);
        if (settling !== undefined) unsettled.push(settling);
      });
    } catch (reason) {
      const error = TransferError.from(reason);
      for (const job of left) {
        this.#totals.dropped(job);
        this.#failed(job.name, error);
        await this.#release(job);
      }
    }
    if (lastMoved !== undefined) {
      const { direction, observer } = this.#options;
      const { name, sizeBytes = 0 } = lastMoved;
      observer.progress(packedProgress(direction, name, sizeBytes), this.#totals.now);
    }
    await Promise.all(unsettled);
  }

  /** Called for each of many: a promise only where something is to be waited for. */
  #packed(job: Job, outcome: PackOutcome, durationMs: number): Promise<void> | undefined {
    const { direction, observer, packs } = this.#options;
    const { name, path, sizeBytes = 0 } = job;
    if (outcome === 'single') return this.#singles.put(job);
    if (isVersion(outcome)) {
      const result = packedResult(sizeBytes, outcome, packs?.verifies ?? false, durationMs);
      this.#totals.done(job, sizeBytes, 0);
      observer.finished({ name, path, direction, isPacked: true, result });
      this.#movedFiles += 1;
      this.#movedBytes += sizeBytes;
    } else {
      this.#totals.dropped(job);
      this.#failed(name, outcome);
    }
    return this.#release(job);
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
      const error = TransferError.from(reason);
      if (!this.#isStopping) this.#failed(undefined, error);
      this.#stoppedBy ??= error;
      return undefined;
    }
  }

  async #move(job: Job): Promise<void> {
    const { direction, observer, transfer } = this.#options;
    const { name, path } = job;
    try {
      const result = await transfer(job, (progress) => this.#progress(job, progress));
      observer.finished({ name, path, direction, isPacked: false, result });
      this.#totals.done(job, result.bytes, result.resumedBytes);
      this.#movedFiles += 1;
      this.#movedBytes += result.bytes;
    } catch (reason) {
      this.#totals.dropped(job);
      this.#failed(job.name, TransferError.from(reason));
    }
  }

  #release(job: Job): Promise<void> | undefined {
    return this.#options
      .release?.(job)
      ?.catch((reason) => this.#failed(job.name, TransferError.from(reason)));
  }

  #progress(job: Job, latest: Progress | UploadProgress): void {
    this.#totals.update(job, latest);
    this.#options.observer.progress(latest, this.#totals.now);
  }

  #failed(name: string | undefined, error: TransferError): void {
    const { concernsAll, observer, signal } = this.#options;
    this.#firstFailure ??= { name, error };
    if (error.code === 'CANCELLED') this.#interruptedFiles += name === undefined ? 0 : 1;
    else this.#failedFiles += 1;
    if (signal.aborted || CONCERNING_ALL.has(error.code) || concernsAll(error)) this.#stoppedBy ??= error;
    else if (name !== undefined) observer.failed(name, error);
  }

  #summary(notDoneFiles: number): RunSummary {
    return {
      files: this.#movedFiles,
      bytes: this.#movedBytes,
      durationMs: performance.now() - this.#startedMs,
      skippedFiles: this.#skippedFiles,
      failedFiles: this.#failedFiles,
      notDoneFiles,
      isPlanComplete: this.#plan.isComplete,
      leftOut: this.#leftOut,
    };
  }
}

function isVersion(outcome: PackOutcome): outcome is Exclude<PackOutcome, 'single' | TransferError> {
  return outcome !== 'single' && !(outcome instanceof TransferError);
}
