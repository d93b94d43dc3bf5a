/**
 * Runs the downloads of a plan, a few at a time. One failing file does not
 * stop the others, unless they would fail for the same reason.
 */
import { stat } from 'node:fs/promises';
import { type ErrorCode, TransferError } from '../base/errors.ts';
import type { DownloadOptions } from '../client/transfer-options.ts';
import { type DownloadJob, plannedBytes, STDOUT_PATH } from './download-plan.ts';
import { preparePlace } from './local-path.ts';
import { type ProgressDisplay, ProgressSum } from './progress.ts';
import { writeCodecs, writeFileCount } from './progress-text.ts';

/** Failures that the next file would meet as well. */
const STOPPING: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'LOCAL_IO',
  'UNIMPLEMENTED',
]);

/** Times are set and read back in different resolutions. */
const TIME_TOLERANCE_MS = 2;

export interface RunOptions {
  /** The most files at a time. */
  parallel: number;
  display: ProgressDisplay;
  /** Also tell how the bytes came. */
  verbose: boolean;
  signal: AbortSignal;
  transfer: Pick<DownloadOptions, 'start' | 'limit' | 'ifMatch' | 'overwrite'>;
}

interface Failure {
  name: string;
  error: TransferError;
}

export class DownloadRun {
  readonly #jobs: readonly DownloadJob[];
  readonly #options: RunOptions;
  readonly #sum: ProgressSum;
  readonly #failures: Failure[] = [];
  #nextIndex = 0;
  #skippedFiles = 0;
  #isStopping = false;

  constructor(jobs: readonly DownloadJob[], options: RunOptions) {
    this.#jobs = jobs;
    this.#options = options;
    this.#sum = new ProgressSum(jobs.length, plannedBytes(jobs));
  }

  /** Resolves when every file is there; throws the first failure once all others have ended. */
  async run(): Promise<void> {
    const lanes = Math.min(this.#options.parallel, this.#jobs.length);
    await Promise.all(Array.from({ length: lanes }, () => this.#lane()));
    if (this.#skippedFiles > 0) {
      const count = writeFileCount(this.#skippedFiles);
      this.#options.display.note(`already there with the same size and time: ${count}`);
    }
    const first = this.#failures[0];
    if (first !== undefined) throw this.#summary(first);
  }

  async #lane(): Promise<void> {
    while (!this.#isStopping) {
      const job = this.#jobs[this.#nextIndex];
      if (job === undefined) return;
      this.#nextIndex += 1;
      await this.#fetch(job).catch((reason: unknown) => this.#failed(job, TransferError.from(reason)));
    }
  }

  async #fetch(job: DownloadJob): Promise<void> {
    if (await isAlreadyThere(job)) {
      const { size } = (job.tree as NonNullable<DownloadJob['tree']>).entry;
      this.#skippedFiles += 1;
      this.#sum.done(job, size, size);
      return;
    }
    if (job.tree !== undefined) await preparePlace(job.tree.directory, job.path);
    const { display, signal, transfer } = this.#options;
    const result = await job.client.download(job.name, job.path === STDOUT_PATH ? process.stdout : job.path, {
      ...transfer,
      signal,
      onProgress: (progress) => display.show(this.#sum.update(job, progress, performance.now())),
    });
    this.#sum.done(job, result.bytes, result.resumedBytes);
    display.finished({ name: job.name, path: job.path, result });
    if (this.#options.verbose) display.note(`${job.name}: ${writeCodecs(result)}`);
  }

  #failed(job: DownloadJob, error: TransferError): void {
    this.#sum.dropped(job);
    this.#failures.push({ name: job.name, error });
    if (STOPPING.has(error.code)) this.#isStopping = true;
    else if (this.#jobs.length > 1) this.#options.display.note(`${job.name}: failed: ${error.message}`);
  }

  #summary({ error, name }: Failure): TransferError {
    if (this.#jobs.length === 1 || error.code === 'CANCELLED') return error;
    const message = `${this.#failures.length} of ${this.#jobs.length} files failed, the first was ${name}: ${error.message}`;
    return new TransferError(error.code, message, { cause: error });
  }
}

/**
 * Size and time agree, as rsync decides it; so an interrupted tree goes on
 * where it stopped. The client gives finished files the time of the original.
 */
async function isAlreadyThere({ path, tree }: DownloadJob): Promise<boolean> {
  if (tree === undefined) return false;
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== tree.entry.size) return false;
  return Math.abs(found.mtimeMs - tree.entry.modifiedMs) <= TIME_TOLERANCE_MS;
}
