/** Runs the downloads of a plan; with -r, files that are there already are left alone. */
import { stat } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.ts';
import type { DownloadOptions } from '../../client/download/options.ts';
import { refuseOtherSpelling } from '../../client/download/partial-file/publish.ts';
import type { DownloadJob } from './download-plan.ts';
import { type FileRunOptions, runFiles } from './file-run.ts';
import { preparePlace } from './local-path.ts';
import type { Plan } from './plan.ts';
import { isNotOlder } from './same-file.ts';

/** Errors that every file would get; a wrong name or place concerns one file. */
const ERRNOS_CONCERNING_ALL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

export interface DownloadRunOptions
  extends Omit<
    FileRunOptions<DownloadJob>,
    'concernsAll' | 'direction' | 'isThere' | 'release' | 'transfer'
  > {
  /** Fetch also what is there already. */
  ignoreTimes: boolean;
  signal: AbortSignal;
  transfer: Pick<DownloadOptions, 'start' | 'limit' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is there; throws as `runFiles` does. */
export async function runDownloads(plan: Plan<DownloadJob>, options: DownloadRunOptions): Promise<void> {
  const { ignoreTimes, signal, transfer } = options;
  await runFiles<DownloadJob>(plan, {
    ...options,
    direction: 'down',
    concernsAll: ({ cause, code }) => code === 'LOCAL_IO' && ERRNOS_CONCERNING_ALL.has(errnoOf(cause)),
    isThere: (job) => !ignoreTimes && isAlreadyThere(job),
    release: ({ release }) => release?.(),
    transfer: async ({ client, directory, isStdout, name, path }, onProgress) => {
      if (directory !== undefined) await preparePlace(directory, path);
      return await client.download(name, isStdout ? process.stdout : path, {
        ...transfer,
        // Of a tree: everything comes as it is there.
        keepMode: directory !== undefined,
        signal,
        onProgress,
      });
    },
  });
}

/**
 * Same size and not older than on the server: lets an interrupted tree resume.
 * The client gives finished files the time of the original.
 */
async function isAlreadyThere({ listed, path }: DownloadJob): Promise<boolean> {
  if (listed === undefined) return false;
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== listed.size) return false;
  if (!isNotOlder(found.mtimeMs, listed.modifiedMs)) return false;
  await refuseOtherSpelling(path);
  return true;
}
