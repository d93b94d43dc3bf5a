/**
 * The resume record beside a partial file: which bytes of which version are durable,
 * and their CRC-32. It is written only after an fdatasync of the partial file up to
 * `durableBytes`, and replaced as a whole, so the record is always true.
 */
import { rm } from 'node:fs/promises';
import type { z } from 'zod';
import { errnoOf } from '../../../base/errors.ts';
import type { Zod } from '../../../base/files/checked-json.ts';
import { readRecord, replaceRecord } from '../../record-file.ts';
import type { TransferRequest } from '../options.ts';

const resumeRecordSchema = (zod: Zod) => {
  const bytes = zod.int().min(0);
  return zod.strictObject({
    format: zod.literal(1),
    /** The file's name on the server. */
    name: zod.string(),
    start: bytes,
    /** null: to the end. */
    limit: bytes.nullable(),
    version: zod.string().min(1),
    /** Of the whole file on the server. */
    sizeBytes: bytes,
    /** The partial file's first so many bytes are on disk. */
    durableBytes: bytes,
    /** CRC-32 of those bytes. */
    crc32: zod.int().min(0).max(0xffffffff),
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
  return (
    record.name === request.name &&
    record.start === request.start &&
    record.limit === (request.limit ?? null) &&
    (request.ifMatch === '' || request.ifMatch === record.version)
  );
}
