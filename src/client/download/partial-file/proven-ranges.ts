/**
 * Decides which ranges of an earlier partial file can be kept: the record must be for
 * the same request, and the bytes of a range must still have the recorded CRC-32.
 */
import { Buffer } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { TransferError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { ByteRange } from '../../../base/ranges.ts';
import type { CheckedRange } from '../../../wire/checked-ranges.ts';
import { crc32 } from '../../../wire/crc32.ts';
import { cancelledBy } from '../../connection/cancellation.ts';
import { RESUME_READ_BYTES } from '../../limits.ts';
import type { TransferRequest } from '../options.ts';
import type { DownloadReporter } from '../progress.ts';
import { isRecordOf, type ResumeRecord, readResumeRecord } from './resume-record.ts';

export interface RangeCheck {
  readonly request: TransferRequest;
  readonly progress: DownloadReporter;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

/** The record with those ranges that the partial file still has, or undefined to start over; logs why. */
export async function provenRecord(
  handle: FileHandle,
  recordPath: string,
  check: RangeCheck,
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
  check.progress.enter('checking');
  const ranges = await provenRanges(handle, record.ranges, check);
  if (ranges.length === 0) return startOver('the partial file is not what was recorded');
  return { ...record, ranges };
}

async function provenRanges(
  handle: FileHandle,
  recorded: readonly CheckedRange[],
  check: RangeCheck,
): Promise<CheckedRange[]> {
  const proven: CheckedRange[] = [];
  let provenBytes = 0;
  for (const range of recorded) {
    const found = await rangeCrc32(handle, range, check);
    if (found === range.crc32) {
      proven.push(range);
      provenBytes += range.end - range.start;
    } else check.logger.info({ ...range }, 'not resuming a range that is not what was recorded');
    check.progress.resumedBytes = provenBytes;
  }
  return proven;
}

/** CRC-32 of the bytes, undefined where some are missing; the reads happen off the event loop. */
async function rangeCrc32(
  handle: FileHandle,
  { start, end }: ByteRange,
  { progress, signal }: RangeCheck,
): Promise<number | undefined> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(RESUME_READ_BYTES, end - start));
  let crc = 0;
  for (let at = start; at < end; ) {
    if (signal?.aborted) throw cancelledBy(signal);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.byteLength, end - at), at);
    if (bytesRead === 0) return undefined;
    crc = crc32(buffer.subarray(0, bytesRead), crc);
    at += bytesRead;
    progress.resumedBytes += bytesRead;
  }
  return crc;
}
