/**
 * A small upload: everything in one call, from the beginning to the finish. The
 * client chooses the id, so that it can ask the server after a lost answer.
 */
import { TransferError } from '../../base/errors.ts';
import { newUploadId } from '../../base/upload-id.ts';
import type { FileInfo } from '../../wire/messages.ts';
import { UploadCompression } from '../compression/compression.ts';
import type { Retry } from '../connection/retry.ts';
import { UploadAttempt } from './attempt.ts';
import { isGone } from './beginning.ts';
import { expectedContent } from './ending.ts';
import type { UploadRun } from './run.ts';

/** Rejects with a TransferError when another attempt would not help. */
export async function uploadSmall(run: UploadRun, sizeBytes: number): Promise<FileInfo> {
  const uploadId = newUploadId();
  const retry = run.calls.newRetry();
  for (;;) {
    const file = (await attempt(run, uploadId, sizeBytes, retry)) ?? (await finishedFile(run, sizeBytes));
    if (file !== undefined) return file;
  }
}

/** Undefined after a failure that is worth another attempt. */
async function attempt(
  run: UploadRun,
  uploadId: string,
  sizeBytes: number,
  retry: Retry,
): Promise<FileInfo | undefined> {
  const { progress } = run.context;
  progress.enter('sending');
  const call = callFor(run, uploadId, sizeBytes);
  try {
    const { response } = await call.run();
    progress.link = call.link;
    return response.file ?? run.calls.nothingSaid();
  } catch (reason) {
    // From now on the server may have the upload.
    if (call.deliveredBytes > 0) run.uploadId = uploadId;
    const error = TransferError.from(reason);
    // The earlier call may have finished the upload after the server was asked.
    if (isGone(error)) return (await finishedFile(run, sizeBytes)) ?? fail(error);
    if (error.code === 'RESOURCE_EXHAUSTED' && (await hasSmallerLimit(run, sizeBytes))) return undefined;
    if (endsAttempts(error)) throw error;
    await retry.pause(error);
    progress.attempts += 1;
    return undefined;
  }
}

/** The failed call may have finished the upload all the same. */
async function finishedFile(run: UploadRun, sizeBytes: number): Promise<FileInfo | undefined> {
  if (run.uploadId === '') return undefined;
  try {
    return (await run.calls.sync(run.uploadId, sizeBytes)).file;
  } catch (reason) {
    // The call never began the upload.
    if (isGone(TransferError.from(reason))) return undefined;
    throw reason;
  }
}

/** Whether the server refused the size of the chunk; later chunks are smaller. */
async function hasSmallerLimit(run: UploadRun, sizeBytes: number): Promise<boolean> {
  if (run.uploadId === '') return false;
  const { channels, options } = run.context;
  const sentBytes = Math.min(options.chunkBytes, channels.firstChunkBytes);
  try {
    const { maxChunkBytes } = await run.calls.sync(run.uploadId, sizeBytes);
    if (maxChunkBytes >= sentBytes) return false;
    channels.firstChunkBytes = maxChunkBytes;
    return true;
  } catch (reason) {
    if (isGone(TransferError.from(reason))) return false;
    throw reason;
  }
}

function callFor(run: UploadRun, uploadId: string, sizeBytes: number): UploadAttempt {
  const { channels, options, progress, source } = run.context;
  const part = { start: 0, end: sizeBytes, takenEnd: 0, movedEnd: 0 };
  progress.sentBytes = () => part.movedEnd;
  return new UploadAttempt({
    channel: channels.at(0),
    options,
    source,
    contentCrc: run.contentCrc,
    // The server has not named its codecs yet.
    coder: new UploadCompression({
      mode: 'never',
      isCompressible: false,
      codecs: [],
      takesPings: false,
      account: progress.codecs,
    }).coder(),
    chunkBytes: Math.min(options.chunkBytes, channels.firstChunkBytes),
    part,
    opening: { start: run.startRequest(uploadId) },
    finishing: async () => {
      await source.checkUnchanged();
      return { finish: true, expected: expectedContent(run, sizeBytes) };
    },
    signal: run.signal,
  });
}

function fail(error: TransferError): never {
  throw error;
}

/** Another attempt would meet the same, or must not be made. */
function endsAttempts({ code }: TransferError): boolean {
  return code === 'FILE_CHANGED' || code === 'LOCAL_IO';
}
