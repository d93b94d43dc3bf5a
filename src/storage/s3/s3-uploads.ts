/**
 * Writes to a bucket: small files of packs, each by one PUT, directories by their
 * markers, and deletes. Uploads of any size are in `uploads/`.
 *
 * What a condition of the store cannot keep apart, a mutex of the name does within
 * this process.
 */
import type { KeyedMutex } from '../../base/async/keyed-mutex.ts';
import { Semaphore } from '../../base/async/semaphore.ts';
import { TransferError } from '../../base/errors.ts';
import { crc32 } from '../../wire/crc32.ts';
import { parseName } from '../name.ts';
import type { PackJobs } from '../pack-jobs.ts';
import { quoteName } from '../quoted-name.ts';
import type {
  OpenUpload,
  PackFile,
  Upload,
  UploadSpec,
  UploadStore,
  WriteCondition,
  WriteOutcome,
} from '../upload-store.ts';
import type { Bucket } from './bucket.ts';
import type { Conditions } from './conditions.ts';
import type { Keys } from './keys.ts';
import { Obstacles } from './obstacles.ts';
import { statusOf, toS3Error } from './s3-error.ts';
import type { S3UploadContext } from './uploads/context.ts';
import { S3Sessions } from './uploads/s3-sessions.ts';

/** Files of one pack that are written at the same time. */
const FILES_AT_ONCE = 16;

export class S3Uploads implements UploadStore {
  readonly #bucket: Bucket;
  readonly #keys: Keys;
  readonly #conditions: Conditions;
  readonly #names: KeyedMutex;
  readonly #checksums: boolean;
  readonly #sessions: S3Sessions;

  /** @param bucket that of `context`, with all of its requests */
  constructor(bucket: Bucket, context: S3UploadContext) {
    this.#bucket = bucket;
    this.#keys = context.keys;
    this.#conditions = context.conditions;
    this.#names = context.names;
    this.#checksums = context.checksums;
    this.#sessions = new S3Sessions(context);
  }

  async start(spec: UploadSpec, share?: string | null): Promise<Upload> {
    parseName(spec.name);
    const checkName = () => new Obstacles(this.#bucket, this.#keys).check(parentOf(spec.name));
    return await this.#sessions.start(spec, checkName, share);
  }

  async find(id: string): Promise<Upload> {
    return await this.#sessions.find(id);
  }

  async writePack(files: readonly PackFile[], jobs: PackJobs): Promise<WriteOutcome[]> {
    const content = await jobs.read();
    const obstacles = new Obstacles(this.#bucket, this.#keys);
    const semaphore = new Semaphore(FILES_AT_ONCE);
    let at = 0;
    const outcomes = files.map((file) => {
      const bytes = content.subarray(at, at + file.size);
      at += file.size;
      return semaphore.run(() => this.#writeFile(file, bytes, obstacles));
    });
    return await Promise.all(outcomes);
  }

  async delete(name: string, condition: WriteCondition): Promise<void> {
    const key = this.#keys.ofFile(name);
    await this.#names.run(name, async () => {
      const ifMatch = await this.#conditions.forDelete(name, condition);
      try {
        await this.#bucket.delete(key, ifMatch);
      } catch (reason) {
        // It was there: an attempt whose answer was lost removed it.
        if (statusOf(reason) !== 404) throw toS3Error(reason, name);
      }
    });
  }

  /** A directory without a marker is gone with its last file, so one that is not there is no error. */
  async deleteDirectory(name: string): Promise<void> {
    parseName(name);
    const marker = this.#keys.ofDirectory(name);
    try {
      // The marker comes first.
      const { objects, prefixes } = await this.#bucket.page(marker, { max: 2 });
      if (objects.some(({ key }) => key !== marker) || prefixes.length > 0)
        throw new TransferError('NOT_EMPTY', `${quoteName(name)} is not empty; remove what is in it first`);
      if (objects.length > 0) await this.#bucket.delete(marker);
      else await new Obstacles(this.#bucket, this.#keys).check(name);
    } catch (reason) {
      throw toS3Error(reason, name);
    }
  }

  async makeDirectory(name: string): Promise<void> {
    parseName(name);
    const marker = this.#keys.ofDirectory(name);
    try {
      await new Obstacles(this.#bucket, this.#keys).check(name);
      await this.#bucket.put(marker, new Uint8Array(0));
    } catch (reason) {
      throw toS3Error(reason, name);
    }
  }

  openUploads(): readonly OpenUpload[] {
    return this.#sessions.open();
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #writeFile(
    { name, condition }: PackFile,
    bytes: Uint8Array,
    obstacles: Obstacles,
  ): Promise<WriteOutcome> {
    try {
      const key = this.#keys.ofFile(name);
      await obstacles.check(parentOf(name));
      return await this.#names.run(name, async () => {
        const ifMatch = await this.#conditions.forPut(name, condition);
        const checksum = this.#checksums ? crc32(bytes) : undefined;
        return { version: await this.#bucket.put(key, bytes, ifMatch, undefined, checksum) };
      });
    } catch (reason) {
      return await this.#conditions.refused(reason, name, condition);
    }
  }
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}
