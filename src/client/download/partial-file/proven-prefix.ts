/**
 * Decides how much of an earlier partial file can be kept: the record must be for the
 * same range, and the bytes must still have the recorded CRC-32.
 */
import { Buffer } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { TransferError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { crc32 } from '../../../wire/crc32.ts';
import { cancelledBy } from '../../connection/cancellation.ts';
import { PREFIX_READ_BYTES } from '../../limits.ts';
import type { TransferRequest } from '../options.ts';
import type { DownloadReporter } from '../progress.ts';
import { isRecordOf, type ResumeRecord, readResumeRecord } from './resume-record.ts';

export interface PrefixCheck {
  readonly request: TransferRequest;
  readonly progress: DownloadReporter;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

/** The record whose bytes the partial file still has, or undefined to start over; logs why. */
export async function provenRecord(
  handle: FileHandle,
  recordPath: string,
  check: PrefixCheck,
): Promise<ResumeRecord | undefined> {
  const startOver = (reason: string) => {
    check.logger.info({ record: recordPath, reason }, 'not resuming; starting over');
    check.progress.resumedBytes = 0;
    return undefined;
  };
  let record: ResumeRecord | undefined;
  try {
    record = await readResumeRecord(recordPath);
  } catch (reason) {
    return startOver(`the resume record cannot be used: ${TransferError.from(reason).message}`);
  }
  if (record === undefined) return undefined;
  if (!isRecordOf(record, check.request))
    return startOver('the resume record is about another file or range');
  if ((await handle.stat()).size < record.durableBytes)
    return startOver('the partial file is shorter than recorded');
  check.progress.enter('checking');
  const found = await prefixCrc32(handle, record.durableBytes, check);
  return found === record.crc32 ? record : startOver('the partial file is not what was recorded');
}

/** CRC-32 of the first `bytes` bytes; the reads happen off the event loop. */
async function prefixCrc32(
  handle: FileHandle,
  bytes: number,
  check: PrefixCheck,
): Promise<number | undefined> {
  const buffer = Buffer.allocUnsafeSlow(PREFIX_READ_BYTES);
  let crc = 0;
  for (let at = 0; at < bytes; ) {
    if (check.signal?.aborted) throw cancelledBy(check.signal);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.byteLength, bytes - at), at);
    if (bytesRead === 0) return undefined;
    crc = crc32(buffer.subarray(0, bytesRead), crc);
    at += bytesRead;
    check.progress.resumedBytes = at;
  }
  return crc;
}
