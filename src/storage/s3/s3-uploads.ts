/**
 * Writes to a bucket: small files, each by one PUT, directories by their markers,
 * and deletes. Uploads of any size are not there yet.
 *
 * What a condition of the store cannot keep apart, a mutex of the name does within
 * this process.
 */
import { KeyedMutex } from '../../base/async/keyed-mutex.ts';
import { Semaphore } from '../../base/async/semaphore.ts';
import { TransferError } from '../../base/errors.ts';
import { parseName } from '../name.ts';
import type { PackJobs } from '../pack-jobs.ts';
import { quoteName } from '../quoted-name.ts';
import type { Store } from '../store.ts';
import type { PackFile, Upload, UploadStore, WriteCondition, WriteOutcome } from '../upload-store.ts';
import type { Bucket } from './bucket.ts';
import type { Capabilities } from './capabilities.ts';
import type { Keys } from './keys.ts';
import { statusOf, toS3Error } from './s3-error.ts';

/** Files of one pack that are written at the same time. */
const FILES_AT_ONCE = 16;

export class S3Uploads implements UploadStore {
  readonly #bucket: Bucket;
  readonly #keys: Keys;
  readonly #store: Pick<Store, 'stat'>;
  readonly #can: Capabilities;
  readonly #names = new KeyedMutex();

  /** @param store of the same bucket and keys */
  constructor(bucket: Bucket, keys: Keys, store: Pick<Store, 'stat'>, capabilities: Capabilities) {
    this.#bucket = bucket;
    this.#keys = keys;
    this.#store = store;
    this.#can = capabilities;
  }

  async start(): Promise<Upload> {
    throw new TransferError(
      'UNIMPLEMENTED',
      'a server with an object store takes small files in packs only (sluice put -r); large uploads are not there yet',
    );
  }

  async find(): Promise<Upload> {
    throw new TransferError('UPLOAD_NOT_FOUND', 'there is no such upload; start a new one');
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
      const ifMatch = await this.#found(name, condition);
      try {
        await this.#bucket.delete(key, this.#can.deleteIfMatch ? ifMatch : undefined);
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

  async close(): Promise<void> {}

  async #writeFile(
    { name, condition }: PackFile,
    bytes: Uint8Array,
    obstacles: Obstacles,
  ): Promise<WriteOutcome> {
    try {
      const key = this.#keys.ofFile(name);
      await obstacles.check(name.slice(0, Math.max(0, name.lastIndexOf('/'))));
      return await this.#names.run(name, async () => {
        const version = await this.#bucket.put(key, bytes, await this.#ifMatch(name, condition));
        return { version };
      });
    } catch (reason) {
      return await this.#refused(reason, name, condition);
    }
  }

  /** For a PUT, as the store wants it; where it ignores such a condition, it is checked here. */
  async #ifMatch(name: string, condition: WriteCondition): Promise<string | null | undefined> {
    if (condition.kind === 'absent') return null;
    if (condition.kind === 'any') return undefined;
    if (this.#can.putIfMatch !== null) return this.#can.putIfMatch(condition.version);
    await this.#found(name, condition);
    return undefined;
  }

  /** What is under the name, for `If-Match` of a DELETE. Throws NOT_FOUND, NOT_A_FILE, VERSION_MISMATCH. */
  async #found(name: string, condition: WriteCondition): Promise<string | undefined> {
    const { version } = await this.#store.stat(name);
    if (condition.kind !== 'version') return undefined;
    if (condition.version === version) return `"${version}"`;
    throw mismatch(name, version);
  }

  async #refused(reason: unknown, name: string, condition: WriteCondition): Promise<TransferError> {
    const isBroken = statusOf(reason) === 412 || (statusOf(reason) === 404 && condition.kind === 'version');
    if (!isBroken) return toS3Error(reason, name);
    const found = await this.#store.stat(name).catch(() => undefined);
    if (condition.kind === 'version') return mismatch(name, found?.version);
    const message = `there is a file ${quoteName(name)} already; choose another name, or overwrite it`;
    return new TransferError('ALREADY_EXISTS', message, { version: found?.version });
  }
}

function mismatch(name: string, version: string | undefined): TransferError {
  const message = `${quoteName(name)} does not have the version asked for; start over with the present version`;
  return new TransferError('VERSION_MISMATCH', message, { version });
}

/** Files that are in the way of directories; each name is looked up once. */
class Obstacles {
  readonly #bucket: Bucket;
  readonly #keys: Keys;
  readonly #isFile = new Map<string, Promise<boolean>>();

  constructor(bucket: Bucket, keys: Keys) {
    this.#bucket = bucket;
    this.#keys = keys;
  }

  /** Throws NOT_A_FILE where the directory `name` ('' is the root), or one above it, is a file. */
  async check(name: string): Promise<void> {
    const components = name === '' ? [] : name.split('/');
    const directories = components.map((_, index) => components.slice(0, index + 1).join('/'));
    const isFile = await Promise.all(directories.map((directory) => this.#lookUp(directory)));
    const obstacle = directories[isFile.indexOf(true)];
    if (obstacle === undefined) return;
    throw new TransferError(
      'NOT_A_FILE',
      `${quoteName(obstacle)} is a file, and no directory; choose another name`,
    );
  }

  #lookUp(name: string): Promise<boolean> {
    const known = this.#isFile.get(name);
    if (known !== undefined) return known;
    const found = this.#bucket.head(this.#keys.ofFile(name)).then(
      () => true,
      (reason: unknown) => {
        if (statusOf(reason) === 404) return false;
        throw reason;
      },
    );
    this.#isFile.set(name, found);
    return found;
  }
}
