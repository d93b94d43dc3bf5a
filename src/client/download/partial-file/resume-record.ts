/**
 * The resume record beside a partial file: which bytes of which version are durable,
 * and their CRC-32. It is written only after an fdatasync of the partial file up to
 * `durableBytes`, and replaced as a whole, so what it says is always true.
 */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { errnoOf } from '../../../base/errors.ts';
import { MAX_RECORD_BYTES } from '../../limits.ts';
import type { TransferRequest } from '../options.ts';

const bytes = z.int().min(0);

const ResumeRecordSchema = z.strictObject({
  format: z.literal(1),
  /** The file's name on the server. */
  name: z.string(),
  start: bytes,
  /** null: to the end. */
  limit: bytes.nullable(),
  version: z.string().min(1),
  /** Of the whole file on the server. */
  sizeBytes: bytes,
  /** The partial file's first so many bytes are on disk. */
  durableBytes: bytes,
  /** CRC-32 of those bytes. */
  crc32: z.int().min(0).max(0xffffffff),
});

export type ResumeRecord = z.infer<typeof ResumeRecordSchema>;

/** The record, or undefined when there is none. Anything else at `path` throws, with the reason. */
export async function readRecord(path: string): Promise<ResumeRecord | undefined> {
  try {
    if ((await stat(path)).size > MAX_RECORD_BYTES) throw new Error('it is too large for a resume record');
    return ResumeRecordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

/** Replaces the record; after a crash either the old or the new one is there. */
export async function writeRecord(path: string, record: ResumeRecord): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeDurably(draft, `${JSON.stringify(record)}\n`);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {});
    throw cause;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function draftOf(path: string): string {
  return `${path}.tmp`;
}

/** Removes the record and what a crash left of writing one. */
export async function removeRecord(path: string): Promise<void> {
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
