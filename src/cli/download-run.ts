/** Runs the downloads of a plan; in a tree, files that are there already are left alone. */
import { stat } from 'node:fs/promises';
import type { ErrorCode } from '../base/errors.ts';
import type { DownloadOptions } from '../client/transfer-options.ts';
import { type DownloadJob, plannedBytes, STDOUT_PATH } from './download-plan.ts';
import { runFiles } from './file-run.ts';
import { preparePlace } from './local-path.ts';
import type { ProgressDisplay, ProgressSum } from './progress.ts';
import { writeCodecs, writeFileCount } from './progress-text.ts';

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

export class DownloadRun {
  readonly #jobs: readonly DownloadJob[];
  readonly #options: RunOptions;
  #skippedFiles = 0;

  constructor(jobs: readonly DownloadJob[], options: RunOptions) {
    this.#jobs = jobs;
    this.#options = options;
  }

  /** Resolves when every file is there; throws the first failure once all others have ended. */
  async run(): Promise<void> {
    const { display, parallel } = this.#options;
    try {
      await runFiles(this.#jobs, {
        parallel,
        display,
        plannedBytes: plannedBytes(this.#jobs),
        stopping: STOPPING,
        transfer: (job, sum) => this.#fetch(job, sum),
      });
    } finally {
      const count = writeFileCount(this.#skippedFiles);
      if (this.#skippedFiles > 0) display.note(`already there with the same size and time: ${count}`);
    }
  }

  async #fetch(job: DownloadJob, sum: ProgressSum): Promise<void> {
    if (await isAlreadyThere(job)) {
      const { size } = (job.tree as NonNullable<DownloadJob['tree']>).entry;
      this.#skippedFiles += 1;
      sum.done(job, size, size);
      return;
    }
    if (job.tree !== undefined) await preparePlace(job.tree.directory, job.path);
    const { display, signal, transfer } = this.#options;
    const result = await job.client.download(job.name, job.path === STDOUT_PATH ? process.stdout : job.path, {
      ...transfer,
      signal,
      onProgress: (progress) => display.show(sum.update(job, progress, performance.now())),
    });
    sum.done(job, result.bytes, result.resumedBytes);
    display.finished({ name: job.name, path: job.path, direction: 'down', result });
    if (this.#options.verbose) display.note(`${job.name}: ${writeCodecs(result)}`);
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
