/**
 * The resume record beside a partial file: which ranges of which version are durable,
 * and the CRC-32 of each. It is written only after an fdatasync of the partial file,
 * and replaced as a whole, so the record is always true.
 */
import { rm } from 'node:fs/promises';
import type { z } from 'zod';
import { errnoOf } from '../../../base/errors.ts';
import type { Zod } from '../../../base/files/checked-json.ts';
import { MAX_RECORD_RANGES } from '../../limits.ts';
import { readRecord, replaceRecord } from '../../record-file.ts';
import type { TransferRequest } from '../options.ts';

const resumeRecordSchema = (zod: Zod) => {
  const bytes = zod.int().min(0);
  const range = zod.strictObject({ start: bytes, end: bytes, crc32: zod.int().min(0).max(0xffffffff) });
  return zod.strictObject({
    format: zod.literal(2),
    /** The file's name on the server. */
    name: zod.string(),
    start: bytes,
    /** null: to the end. */
    limit: bytes.nullable(),
    version: zod.string().min(1),
    /** Of the whole file on the server. */
    sizeBytes: bytes,
    /** These bytes of the partial file are on disk; ascending, without overlaps. */
    ranges: zod
      .array(range)
      .min(1)
      .max(MAX_RECORD_RANGES)
      .refine((ranges) =>
        ranges.every(({ start, end }, index) => (ranges[index - 1]?.end ?? 0) <= start && start < end),
      ),
  });
};

export type ResumeRecord = z.infer<ReturnType<typeof resumeRecordSchema>>;

/** The record, or undefined when there is none. Anything else at `path` throws, with the reason. */
export async function readResumeRecord(path: string): Promise<ResumeRecord | undefined> {
  try {
    return await readRecord(path, resumeRecordSchema);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

/** Replaces the record. */
export async function writeResumeRecord(path: string, record: ResumeRecord): Promise<void> {
  await replaceRecord(path, draftOf(path), record, { flush: true });
}

function draftOf(path: string): string {
  return `${path}.tmp`;
}

/** Removes the record and what a crash left of writing one. */
export async function removeResumeRecord(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(draftOf(path), { force: true });
}

/** The record is about this very range. */
export function isRecordOf(record: ResumeRecord, request: TransferRequest): boolean {
  const { limit, name, ranges, sizeBytes, start } = record;
  const endBytes = Math.min(sizeBytes - start, limit ?? Number.POSITIVE_INFINITY);
  return (
    name === request.name &&
    start === request.start &&
    limit === (request.limit ?? null) &&
    (ranges.at(-1)?.end ?? 0) <= endBytes &&
    (request.ifMatch === '' || request.ifMatch === record.version)
  );
}
