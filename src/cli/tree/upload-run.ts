/** Runs the uploads of a plan. */
import type { ErrorCode } from '../../base/errors.ts';
import type { SluiceClient } from '../../client/client.ts';
import type { UploadOptions } from '../../client/upload/options.ts';
import type { ProgressSum } from '../progress/progress.ts';
import { writeCodecs } from '../progress/progress-text.ts';
import { type FileOutcome, type FileRunOptions, runFiles } from './file-run.ts';
import type { Plan } from './plan.ts';
import type { UploadJob } from './upload-plan.ts';

const CONCERNING_ALL: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'READ_ONLY',
  'DISK_FULL',
  'UNIMPLEMENTED',
]);

export interface UploadRunOptions extends Omit<FileRunOptions<UploadJob>, 'concernsAll' | 'transfer'> {
  client: SluiceClient;
  /** Also tell how the bytes went. */
  verbose: boolean;
  signal: AbortSignal;
  transfer: Pick<UploadOptions, 'connections' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is on the server; throws as `runFiles` does. */
export async function runUploads(plan: Plan<UploadJob>, options: UploadRunOptions): Promise<void> {
  const { client, display, signal, transfer, verbose } = options;
  const send = async (job: UploadJob, sum: ProgressSum): Promise<FileOutcome> => {
    if (job.isStored) {
      const bytes = job.sizeBytes ?? 0;
      return { bytes, resumedBytes: bytes, isSkipped: true };
    }
    const result = await client.upload(job.isStdin ? process.stdin : job.path, job.name, {
      ...transfer,
      signal,
      onProgress: (progress) => display.show(sum.update(job, progress, performance.now())),
    });
    display.finished({ name: job.name, path: job.path, direction: 'up', result });
    if (verbose) display.note(`${job.name}: ${writeCodecs(result)}`);
    return result;
  };
  await runFiles(plan, { ...options, concernsAll: ({ code }) => CONCERNING_ALL.has(code), transfer: send });
}
