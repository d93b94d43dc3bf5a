/** Runs the uploads of a plan. */
import type { ErrorCode } from '../base/errors.ts';
import type { SluiceClient } from '../client/client.ts';
import type { UploadOptions } from '../client/upload-options.ts';
import { runFiles } from './file-run.ts';
import type { ProgressDisplay, ProgressSum } from './progress.ts';
import { writeCodecs } from './progress-text.ts';
import { plannedBytes, STDIN_PATH, type UploadJob } from './upload-plan.ts';

const STOPPING: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'READ_ONLY',
  'DISK_FULL',
  'UNIMPLEMENTED',
]);

export interface UploadRunOptions {
  client: SluiceClient;
  /** The most files at a time. */
  parallel: number;
  display: ProgressDisplay;
  /** Also tell how the bytes went. */
  verbose: boolean;
  signal: AbortSignal;
  transfer: Pick<UploadOptions, 'connections' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is on the server; throws the first failure once all others have ended. */
export async function runUploads(jobs: readonly UploadJob[], options: UploadRunOptions): Promise<void> {
  const { client, display, parallel, signal, transfer, verbose } = options;
  const send = async (job: UploadJob, sum: ProgressSum) => {
    const source = job.path === STDIN_PATH ? process.stdin : job.path;
    const result = await client.upload(source, job.name, {
      ...transfer,
      signal,
      onProgress: (progress) => display.show(sum.update(job, progress, performance.now())),
    });
    sum.done(job, result.bytes, result.resumedBytes);
    display.finished({ name: job.name, path: job.path, direction: 'up', result });
    if (verbose) display.note(`${job.name}: ${writeCodecs(result)}`);
  };
  await runFiles(jobs, {
    parallel,
    display,
    plannedBytes: plannedBytes(jobs),
    stopping: STOPPING,
    transfer: send,
  });
}
