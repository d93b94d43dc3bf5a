/** Runs the uploads of a plan. */
import type { SluiceClient } from '../../client/client.ts';
import type { UploadOptions } from '../../client/upload/options.ts';
import { type FileRunOptions, runFiles } from './file-run.ts';
import type { Plan } from './plan.ts';
import type { UploadJob } from './upload-plan.ts';

export interface UploadRunOptions
  extends Omit<FileRunOptions<UploadJob>, 'concernsAll' | 'direction' | 'isThere' | 'release' | 'transfer'> {
  client: SluiceClient;
  signal: AbortSignal;
  transfer: Pick<UploadOptions, 'connections' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is on the server; throws as `runFiles` does. */
export async function runUploads(plan: Plan<UploadJob>, options: UploadRunOptions): Promise<void> {
  const { client, signal, transfer } = options;
  await runFiles<UploadJob>(plan, {
    ...options,
    direction: 'up',
    concernsAll: ({ code }) => code === 'READ_ONLY' || code === 'DISK_FULL',
    isThere: ({ isStored }) => isStored,
    transfer: ({ attributes, isStdin, name, path }, onProgress) =>
      client.upload(isStdin ? process.stdin : path, name, { ...transfer, ...attributes, signal, onProgress }),
  });
}
