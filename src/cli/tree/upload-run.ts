/** Runs the uploads of a plan. */
import type { SluiceClient } from '../../client/client.ts';
import { PackSender } from '../../client/tree/pack-send.ts';
import type { Plan } from '../../client/tree/plan/plan.ts';
import { SMALL_FILE_BYTES } from '../../client/tree/small-file.ts';
import type { UploadOptions } from '../../client/upload/options.ts';
import { type FileRunOptions, runFiles } from './file-run.ts';
import type { PackMover } from './packs.ts';
import type { UploadJob } from './upload-plan.ts';

export interface UploadRunOptions
  extends Omit<
    FileRunOptions<UploadJob>,
    'concernsAll' | 'direction' | 'isThere' | 'packs' | 'release' | 'transfer'
  > {
  client: SluiceClient;
  /** Small files of trees go in packs. */
  inPacks: boolean;
  signal: AbortSignal;
  transfer: Pick<UploadOptions, 'connections' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is on the server; throws as `runFiles` does. */
export async function runUploads(plan: Plan<UploadJob>, options: UploadRunOptions): Promise<void> {
  const { client, inPacks, signal, transfer } = options;
  await runFiles<UploadJob>(plan, {
    ...options,
    direction: 'up',
    concernsAll: ({ code }) => code === 'READ_ONLY' || code === 'DISK_FULL',
    isThere: ({ isStored }) => isStored,
    packs: inPacks && !transfer.ifMatch ? packsTo(client, transfer.overwrite ?? true, signal) : undefined,
    transfer: ({ attributes, isStdin, name, path }, onProgress) =>
      client.upload(isStdin ? process.stdin : path, name, { ...transfer, ...attributes, signal, onProgress }),
  });
}

function packsTo(client: SluiceClient, overwrite: boolean, signal: AbortSignal): PackMover<UploadJob> {
  const sender = new PackSender(client, { overwrite, signal });
  return {
    verifies: sender.verifies,
    takes: ({ isStdin, sizeBytes }) => !isStdin && sizeBytes !== undefined && sizeBytes <= SMALL_FILE_BYTES,
    limits: () => sender.limits(),
    move: (jobs, done) => {
      const files = jobs.map((job) => {
        const { attributes, name, path, sizeBytes } = job;
        return { job, name, path, size: sizeBytes as number, ...attributes };
      });
      return sender.send(files, ({ job }, outcome) => done(job, outcome));
    },
    close: () => sender.close(),
  };
}
