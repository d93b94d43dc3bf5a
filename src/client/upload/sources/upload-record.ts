/**
 * What a later process needs to resume an upload: its id and the identity of the
 * content. One small file for each source and destination, in the user's state
 * directory:
 *
 *   $XDG_STATE_HOME/sluice/uploads/<hash of what is uploaded where>.json
 *
 * A record is replaced as a whole. A lost record costs sending everything again,
 * so a missing or unusable directory is no failure.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { errnoOf } from '../../../base/errors.ts';
import type { Zod } from '../../../base/files/checked-json.ts';
import { stateDirectory } from '../../../base/files/state-directory.ts';
import type { Logger } from '../../../base/logger.ts';
import type { FileAttributes } from '../../file-attributes.ts';
import { MAX_SWEPT_RECORDS } from '../../limits.ts';
import { readRecord, replaceRecord } from '../../record-file.ts';
import type { SourceIdentity } from './source.ts';

const SuffixedName = /^[0-9a-f]{64}\.json(?:\.[0-9a-f-]+\.tmp)?$/;

const uploadRecordSchema = (zod: Zod) =>
  zod
    .strictObject({
      format: zod.literal(1),
      uploadId: zod.string().min(1),
      source: zod.object({
        path: zod.string(),
        ino: zod.string(),
        size: zod.int().min(0),
        mtimeNs: zod.string(),
        ctimeNs: zod.string(),
      }),
      /** What the file is to get besides its bytes. */
      attributes: zod.object({ modifiedMs: zod.number(), mode: zod.number() }).partial().default({}),
      maxChunkBytes: zod.int().min(1),
      acceptsGzip: zod.boolean(),
      /** Milliseconds since the epoch; the upload lives longer when it gets more bytes. */
      expiresMs: zod.number(),
    })
    .transform(({ format: _, ...record }) => record);

/** What one run leaves to the next. */
export type UploadRecord = z.infer<ReturnType<typeof uploadRecordSchema>>;

/** What makes two uploads the same: the same source to the same place under the same condition. */
export interface UploadKey {
  readonly path: string;
  readonly target: string;
  readonly name: string;
  readonly overwrite: string;
  readonly ifMatch: string;
  /** Hexadecimal; empty when the caller named none. */
  readonly sha256: string;
  readonly crc32: number | undefined;
}

export class UploadRecords {
  /** Undefined where there is no place for records. */
  readonly #directory: string | undefined;
  readonly #fileName: string;
  readonly #logger: Logger;

  /** Default: in the user's state directory. */
  constructor(key: UploadKey, logger: Logger, directory = recordDirectory()) {
    const { path, target, name, overwrite, ifMatch, sha256, crc32 } = key;
    const text = JSON.stringify([path, target, name, overwrite, ifMatch, sha256, crc32 ?? null]);
    const hash = createHash('sha256').update(text).digest('hex');
    this.#directory = directory;
    this.#fileName = `${hash}.json`;
    this.#logger = logger;
  }

  /** The record of an earlier run, whatever content it is about. */
  async read(): Promise<UploadRecord | undefined> {
    if (this.#directory === undefined) return undefined;
    try {
      return await readRecord(join(this.#directory, this.#fileName), uploadRecordSchema);
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') this.#unusable('cannot be read', reason);
      return undefined;
    }
  }

  /** Also clears away what has expired. True when a later process will find it. */
  async write(record: UploadRecord): Promise<boolean> {
    const directory = this.#directory;
    if (directory === undefined) {
      this.#unrecorded('the user has no home directory');
      return false;
    }
    const path = join(directory, this.#fileName);
    const draft = `${path}.${randomUUID()}.tmp`;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await replaceRecord(path, draft, { format: 1, ...record }, { mode: 0o600 });
    } catch (reason) {
      this.#unrecorded(reason instanceof Error ? reason.message : String(reason));
      return false;
    }
    await this.#sweep(directory);
    return true;
  }

  /** Removes the record when it is about this upload: another process may have replaced it. */
  async remove(uploadId: string): Promise<void> {
    const found = await this.read();
    if (found?.uploadId !== uploadId || this.#directory === undefined) return;
    await rm(join(this.#directory, this.#fileName), { force: true }).catch((reason: unknown) =>
      this.#unusable('cannot be removed', reason),
    );
  }

  /** Removes the records of expired uploads, a few at a time. Never rejects. */
  async #sweep(directory: string): Promise<void> {
    try {
      const names = (await readdir(directory)).filter((name) => SuffixedName.test(name));
      for (const name of names.slice(0, MAX_SWEPT_RECORDS)) {
        const path = join(directory, name);
        if (await hasExpired(path)) await rm(path, { force: true });
      }
    } catch (reason) {
      this.#unusable('cannot be swept', reason);
    }
  }

  #unrecorded(reason: string): void {
    this.#logger.info(
      { reason },
      'a later run cannot resume this upload, because it cannot be recorded; set XDG_STATE_HOME to a writable directory',
    );
  }

  #unusable(problem: string, reason: unknown): void {
    const why = reason instanceof Error ? reason.message : String(reason);
    this.#logger.debug({ directory: this.#directory, reason: why }, `the upload record ${problem}`);
  }
}

/** The record is about this very content, and the same attributes. */
export function isRecordOf(
  record: UploadRecord,
  identity: SourceIdentity,
  { mode, modifiedMs }: FileAttributes,
): boolean {
  const { path, ino, size, mtimeNs, ctimeNs } = record.source;
  const isSameFile = path === identity.path && ino === identity.ino;
  const { attributes } = record;
  if (attributes.mode !== mode || attributes.modifiedMs !== modifiedMs) return false;
  return isSameFile && size === identity.size && mtimeNs === identity.mtimeNs && ctimeNs === identity.ctimeNs;
}

function recordDirectory(): string | undefined {
  const state = stateDirectory();
  return state === undefined ? undefined : join(state, 'uploads');
}

/** Drafts and unreadable records count as expired after a day. */
async function hasExpired(path: string): Promise<boolean> {
  const { mtimeMs } = await stat(path);
  const isOld = Date.now() - mtimeMs > DAY_MS;
  if (!isOld) return false;
  if (path.endsWith('.tmp')) return true;
  const record = await readRecord(path, uploadRecordSchema).catch(() => undefined);
  return record === undefined || Date.now() - record.expiresMs > DAY_MS;
}

const DAY_MS = 24 * 3_600_000;
