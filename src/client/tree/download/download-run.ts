/** Runs the downloads of a plan; of trees, files that are there already are left alone. */
import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import type { ListEntry } from '../../../wire/messages.ts';
import type { DownloadOptions } from '../../download/options.ts';
import { refuseOtherSpelling } from '../../download/partial-file/publish.ts';
import { PackFetcher } from '../pack-fetch.ts';
import type { Planner } from '../plan/plan.ts';
import { isNotOlder } from '../plan/same-file.ts';
import { type FileRunOptions, runFiles } from '../run/file-run.ts';
import type { PackMover } from '../run/packs.ts';
import type { RunOutcome } from '../run/run.ts';
import { SMALL_FILE_BYTES } from '../small-file.ts';
import type { TreeClient } from '../tree-client.ts';
import type { DownloadJob } from './download-plan.ts';
import { prepareDirectory, preparePlace } from './local-path.ts';

/** Errors that every file would get; a wrong name or place concerns one file. */
const ERRNOS_CONCERNING_ALL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

export interface DownloadRunOptions
  extends Pick<FileRunOptions<DownloadJob>, 'observer' | 'parallel' | 'signal'> {
  /** Fetch also what is there already. */
  ignoreTimes: boolean;
  transfer: Pick<DownloadOptions, 'connections' | 'start' | 'limit' | 'ifMatch' | 'overwrite'>;
  /** Where all files of a tree come from; small ones come in packs then. */
  packClient: TreeClient | undefined;
}

/** Resolves when every file is there, or is known not to get there. */
export async function runDownloads(
  planner: Planner<DownloadJob>,
  options: DownloadRunOptions,
): Promise<RunOutcome> {
  const { ignoreTimes, packClient, signal, transfer } = options;
  return await runFiles<DownloadJob>(planner, {
    ...options,
    direction: 'down',
    concernsAll: ({ cause, code }) => code === 'LOCAL_IO' && ERRNOS_CONCERNING_ALL.has(errnoOf(cause)),
    isThere: (job) => !ignoreTimes && job.parent !== 'made' && isAlreadyThere(job),
    release: ({ release }) => release?.(),
    packs: packClient && packsFrom(packClient, transfer.overwrite ?? true, signal),
    transfer: async ({ client, directory, name, path, target = path }, onProgress) => {
      if (directory !== undefined) await preparePlace(directory, path);
      return await client.download(name, target, {
        ...transfer,
        // Of a tree: everything comes as it is there.
        keepMode: directory !== undefined,
        signal,
        onProgress,
      });
    },
  });
}

/** While one is written, others are on their way. */
const PACKS_IN_FLIGHT = 8;

function packsFrom(client: TreeClient, overwrite: boolean, signal: AbortSignal): PackMover<DownloadJob> {
  const fetcher = new PackFetcher(client, { overwrite, signal });
  return {
    verifies: fetcher.verifies,
    inFlight: PACKS_IN_FLIGHT,
    takes: ({ directory, sizeBytes }) => directory !== undefined && (sizeBytes as number) <= SMALL_FILE_BYTES,
    limits: () => fetcher.limits(),
    move: async (jobs, done) => {
      const files = (await placed(jobs, done)).map((job) => {
        const { mode, modifiedMs, size, version } = job.listed as ListEntry;
        return {
          job,
          name: job.name,
          path: job.path,
          tree: job.directory as string,
          size,
          version,
          modifiedMs,
          mode,
        };
      });
      if (files.length > 0) await fetcher.fetch(files, ({ job }, outcome) => done(job, outcome));
    },
    close: () => fetcher.close(),
  };
}

/** The jobs whose directories are there, and lead nowhere else; `done` is told of the others. */
async function placed(
  jobs: readonly DownloadJob[],
  done: (job: DownloadJob, outcome: TransferError) => void,
): Promise<DownloadJob[]> {
  const problems = new Map<string, TransferError | undefined>();
  const good: DownloadJob[] = [];
  for (const job of jobs) {
    if (job.parent !== undefined) {
      good.push(job);
      continue;
    }
    const parent = dirname(job.path);
    if (!problems.has(parent)) problems.set(parent, await problemOf(job.directory as string, parent));
    const problem = problems.get(parent);
    if (problem === undefined) good.push(job);
    else done(job, problem);
  }
  return good;
}

async function problemOf(tree: string, directory: string): Promise<TransferError | undefined> {
  try {
    await prepareDirectory(tree, directory);
    return undefined;
  } catch (reason) {
    return TransferError.from(reason);
  }
}

/**
 * Same size and not older than on the server: lets an interrupted tree resume.
 * The client gives finished files the time of the original.
 */
async function isAlreadyThere({ listed, path }: DownloadJob): Promise<boolean> {
  if (listed === undefined) return false;
  const found = statOf(path);
  if (found === undefined || !found.isFile() || found.size !== listed.size) return false;
  if (!isNotOlder(found.mtimeMs, listed.modifiedMs)) return false;
  await refuseOtherSpelling(path);
  return true;
}

/** Undefined for whatever cannot be looked at. One of thousands: a look in another thread costs ten times as much. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
