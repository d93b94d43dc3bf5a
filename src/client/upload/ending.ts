/** How an upload ends: both sides verify the whole, and the server gives the file its name. */
import { Buffer } from 'node:buffer';
import { TransferError } from '../../base/errors.ts';
import { missingRanges } from '../../base/ranges.ts';
import { crc32 } from '../../wire/crc32.ts';
import type { Expected, FileInfo } from '../../wire/messages.ts';
import { cancelledBy } from '../connection/cancellation.ts';
import type { Retry } from '../connection/retry.ts';
import { RESUME_READ_BYTES } from '../limits.ts';

import type { UploadRun } from './run.ts';
import type { UploadState } from './state.ts';

/** All bytes were sent. Rejects with FILE_CHANGED, CONTENT_MISMATCH and what FinishUpload refuses. */
export async function finishUpload(run: UploadRun): Promise<FileInfo> {
  return await run.calls.finish(run.uploadId, await checkedContent(run));
}

/** What the server is to find when it finishes. All bytes were read. Rejects with FILE_CHANGED and CONTENT_MISMATCH. */
export async function checkedContent(run: UploadRun): Promise<Expected> {
  const { progress, request, source } = run.context;
  const size = source.size as number;
  progress.sizeBytes = size;
  if (request.size !== undefined && request.size !== size) {
    throw new TransferError('CONTENT_MISMATCH', `the source has ${size} bytes and not ${request.size}`);
  }
  await readGaps(run, size);
  await source.checkUnchanged();
  progress.enter('finishing');
  return expectedContent(run, size);
}

/** Checksums the bytes that an earlier run sent, so that the whole can be verified. */
async function readGaps(run: UploadRun, size: number): Promise<void> {
  const { contentCrc, signal } = run;
  const { progress, source } = run.context;
  let gap = contentCrc?.gap(size);
  if (contentCrc === undefined || gap === undefined) return;
  progress.enter('checking');
  const buffer = Buffer.allocUnsafeSlow(RESUME_READ_BYTES);
  for (; gap !== undefined; gap = contentCrc.gap(size)) {
    if (signal.aborted) throw cancelledBy(signal);
    const bytes = await source.read(buffer.subarray(0, gap.end - gap.start), gap.start);
    if (typeof bytes !== 'number') throw new Error('a source of known size ended before it');
    contentCrc.note(gap.start, bytes, crc32(buffer.subarray(0, bytes)));
  }
}

/** What the whole must be. Throws CONTENT_MISMATCH when it is not what the caller expects. */
export function expectedContent(run: UploadRun, size: number): Expected {
  const { crc32: given, sha256 } = run.context.request;
  const found = run.contentCrc?.whole;
  if (given !== undefined && found !== undefined && given !== found) {
    const message = `the source has the CRC-32 ${hex(found)} and not ${hex(given)}`;
    throw new TransferError('CONTENT_MISMATCH', message);
  }
  const crc = found ?? given;
  return { size, sha256, ...(crc === undefined ? {} : { crc32: crc }) };
}

/**
 * The server's state after it refused to finish because bytes are missing: it
 * may have lost bytes that it could not make durable. Throws the error when
 * nothing is missing, or after too many such refusals.
 */
export async function lackingState(run: UploadRun, error: TransferError, retry: Retry): Promise<UploadState> {
  const { source } = run.context;
  if (error.code !== 'CONTENT_MISMATCH' && error.code !== 'GAP') throw error;
  const state = await run.calls.sync(run.uploadId, source.size);
  const isWhole = missingRanges(state.durable, 0, source.size as number).length === 0;
  if (isWhole) throw error;
  const lost = new TransferError('WRITE_FAILED', error.message, { cause: error });
  await retry.pause(lost).catch((reason: unknown) => {
    throw reason === lost ? error : reason;
  });
  return state;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
