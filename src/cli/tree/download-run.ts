/** Runs the downloads of a plan; with -r, files that are there already are left alone. */
import { stat } from 'node:fs/promises';
import { type ErrorCode, errnoOf, type TransferError } from '../../base/errors.ts';
import type { DownloadOptions } from '../../client/download/options.ts';
import { refuseOtherSpelling } from '../../client/download/partial-file/publish.ts';
import type { ProgressSum } from '../progress/progress.ts';
import { writeCodecs } from '../progress/progress-text.ts';
import type { DownloadJob } from './download-plan.ts';
import { type FileOutcome, type FileRunOptions, runFiles } from './file-run.ts';
import { preparePlace } from './local-path.ts';
import type { Plan } from './plan.ts';
import { isNotOlder } from './same-file.ts';

const CONCERNING_ALL: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
  'UNIMPLEMENTED',
]);

/** What the disk says to every file; a name or a place may be wrong for one alone. */
const ERRNOS_CONCERNING_ALL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

export interface DownloadRunOptions extends Omit<FileRunOptions<DownloadJob>, 'concernsAll' | 'transfer'> {
  /** Fetch also what is there already. */
  ignoreTimes: boolean;
  /** Also tell how the bytes came. */
  verbose: boolean;
  signal: AbortSignal;
  transfer: Pick<DownloadOptions, 'start' | 'limit' | 'ifMatch' | 'overwrite'>;
}

/** Resolves when every file is there; throws as `runFiles` does. */
export async function runDownloads(plan: Plan<DownloadJob>, options: DownloadRunOptions): Promise<void> {
  const { display, ignoreTimes, signal, transfer, verbose } = options;
  const fetch = async (job: DownloadJob, sum: ProgressSum): Promise<FileOutcome> => {
    if (!ignoreTimes && (await isAlreadyThere(job))) {
      const bytes = job.sizeBytes ?? 0;
      return { bytes, resumedBytes: bytes, isSkipped: true };
    }
    if (job.directory !== undefined) await preparePlace(job.directory, job.path);
    const result = await job.client.download(job.name, job.isStdout ? process.stdout : job.path, {
      ...transfer,
      signal,
      onProgress: (progress) => display.show(sum.update(job, progress, performance.now())),
    });
    display.finished({ name: job.name, path: job.path, direction: 'down', result });
    if (verbose) display.note(`${job.name}: ${writeCodecs(result)}`);
    return result;
  };
  await runFiles(plan, { ...options, concernsAll, transfer: fetch });
}

function concernsAll({ cause, code }: TransferError): boolean {
  return CONCERNING_ALL.has(code) || (code === 'LOCAL_IO' && ERRNOS_CONCERNING_ALL.has(errnoOf(cause)));
}

/**
 * As large as on the server and not older, so that an interrupted tree goes on
 * where it stopped. The client gives finished files the time of the original.
 */
async function isAlreadyThere({ listed, path }: DownloadJob): Promise<boolean> {
  if (listed === undefined) return false;
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== listed.size) return false;
  if (!isNotOlder(found.mtimeMs, listed.modifiedMs)) return false;
  await refuseOtherSpelling(path);
  return true;
}
