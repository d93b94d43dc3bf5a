/** Runs the uploads of a plan. */
import type { UploadOptions } from '../../upload/options.ts';
import { PackSender } from '../pack-send.ts';
import type { Planner } from '../plan/plan.ts';
import { type FileRunOptions, runFiles } from '../run/file-run.ts';
import type { PackMover } from '../run/packs.ts';
import type { RunOutcome } from '../run/run.ts';
import { SMALL_FILE_BYTES } from '../small-file.ts';
import type { TreeClient } from '../tree-client.ts';
import type { UploadJob } from './upload-plan.ts';

export interface UploadRunOptions
  extends Pick<FileRunOptions<UploadJob>, 'observer' | 'parallel' | 'signal'> {
  client: TreeClient;
  /** Small files of trees go in packs. */
  inPacks: boolean;
  transfer: Pick<UploadOptions, 'connections' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is on the server, or is known not to get there. */
export async function runUploads(
  planner: Planner<UploadJob>,
  options: UploadRunOptions,
): Promise<RunOutcome> {
  const { client, inPacks, signal, transfer } = options;
  return await runFiles<UploadJob>(planner, {
    ...options,
    direction: 'up',
    concernsAll: ({ code }) => code === 'READ_ONLY' || code === 'DISK_FULL',
    isThere: ({ isStored }) => isStored,
    packs: inPacks && !transfer.ifMatch ? packsTo(client, transfer.overwrite ?? true, signal) : undefined,
    transfer: async ({ attributes, name, parent, path, source = path }, onProgress) => {
      await parent;
      return await client.upload(source, name, { ...transfer, ...attributes, signal, onProgress });
    },
  });
}

/** All that wait for the disk of the server are made durable at once: many, for few commits. */
const PACKS_IN_FLIGHT = 16;

function packsTo(client: TreeClient, overwrite: boolean, signal: AbortSignal): PackMover<UploadJob> {
  const sender = new PackSender(client, { overwrite, signal });
  return {
    verifies: sender.verifies,
    inFlight: PACKS_IN_FLIGHT,
    takes: ({ sizeBytes }) => sizeBytes !== undefined && sizeBytes <= SMALL_FILE_BYTES,
    limits: () => sender.limits(),
    move: async (jobs, done) => {
      for (const { parent } of jobs) if (parent !== undefined) await parent;
      const files = jobs.map((job) => {
        const { attributes, name, path, sizeBytes } = job;
        return { job, name, path, size: sizeBytes as number, ...attributes };
      });
      await sender.send(files, ({ job }, outcome) => done(job, outcome));
    },
    close: () => sender.close(),
  };
}
