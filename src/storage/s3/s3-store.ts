/**
 * The store of a bucket: what is below a prefix, by name. It keeps nothing, so any
 * number of servers read one bucket. docs/object-store.md says how names, versions
 * and orders map.
 */
import { TransferError } from '../../base/errors.ts';
import { parsePosition } from '../listing-position.ts';
import { packByReading } from '../pack-by-opening.ts';
import { quoteName } from '../quoted-name.ts';
import type {
  FileIdentity,
  Listed,
  OpenFile,
  OpenPack,
  PackedFile,
  Store,
  StoreListOptions,
} from '../store.ts';
import type { Bucket, StoredObject } from './bucket.ts';
import type { Keys } from './keys.ts';
import { PageShare } from './listing/page-share.ts';
import { S3Listing } from './listing/s3-listing.ts';
import { isOtherVersion, ObjectFile } from './reads/object-file.ts';
import type { RangeReads } from './reads/range-reads.ts';
import { statusOf, toS3Error } from './s3-error.ts';

export class S3Store implements Store {
  readonly #bucket: Bucket;
  readonly #reads: RangeReads;
  readonly #keys: Keys;
  readonly #share = new PageShare();

  /** Takes over `bucket` and closes it. */
  constructor(bucket: Bucket, reads: RangeReads, keys: Keys) {
    this.#bucket = bucket;
    this.#reads = reads;
    this.#keys = keys;
  }

  async open(name: string): Promise<OpenFile> {
    const object = await this.#head(name);
    const checksum = this.#reads.comparesChecksums ? object.checksum : undefined;
    const context = { bucket: this.#bucket, reads: this.#reads, key: this.#keys.ofFile(name), checksum };
    return new ObjectFile(context, identityOf(name, object));
  }

  async stat(name: string): Promise<FileIdentity> {
    return identityOf(name, await this.#head(name));
  }

  async openPack(files: readonly PackedFile[]): Promise<OpenPack> {
    return packByReading(files, (file, content, position, signal) =>
      this.#readPacked(file, content, position, signal),
    );
  }

  async *list(prefix: string, options: StoreListOptions): AsyncGenerator<Listed, void, undefined> {
    const after = options.after === undefined ? [] : parsePosition(options.after);
    const listing = new S3Listing(this.#bucket, this.#share, options);
    try {
      yield* listing.below(prefix, this.#keys.ofDirectory(prefix), after);
      if (listing.isFound || prefix === '') return;
    } catch (reason) {
      options.signal?.throwIfAborted();
      throw toS3Error(reason, prefix);
    }
    const { size } = await this.stat(prefix);
    throw new TransferError(
      'NOT_A_FILE',
      `${quoteName(prefix)} is a file of ${size} bytes, not a directory; only directories are listed`,
    );
  }

  async checkReachable(): Promise<void> {
    try {
      await this.#bucket.hasAny(this.#keys.prefix);
    } catch (reason) {
      throw toS3Error(reason, '');
    }
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async #readPacked(
    { fileName, size, version }: PackedFile,
    content: Uint8Array<SharedArrayBuffer>,
    position: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      const key = this.#keys.ofFile(fileName);
      if (content.length > 0) {
        await this.#reads.read(key, { size, version }, content, position, signal);
        return true;
      }
      // A range cannot be empty.
      const now = await this.#bucket.head(key, signal);
      return now.version === version && now.size === size;
    } catch (reason) {
      signal.throwIfAborted();
      const error = toS3Error(reason, fileName);
      // What is wrong with the store is no word on the file.
      if (error.code === 'UNAVAILABLE' && !isOtherVersion(reason)) throw error;
      return false;
    }
  }

  async #head(name: string): Promise<StoredObject> {
    const key = this.#keys.ofFile(name);
    try {
      return await this.#bucket.head(key);
    } catch (reason) {
      if (statusOf(reason) === 404) throw await this.#noFile(name);
      throw toS3Error(reason, name);
    }
  }

  /** Nothing has the key of the file `name`. */
  async #noFile(name: string): Promise<TransferError> {
    try {
      if (await this.#bucket.hasAny(this.#keys.ofDirectory(name)))
        return new TransferError('NOT_A_FILE', `${quoteName(name)} is a directory; only files are served`);
    } catch (reason) {
      return toS3Error(reason, name);
    }
    return new TransferError('NOT_FOUND', `there is no ${quoteName(name)}`);
  }
}

function identityOf(
  name: string,
  { modifiedMs, size, version }: Pick<StoredObject, 'modifiedMs' | 'size' | 'version'>,
): FileIdentity {
  return { name, size, version, modifiedMs };
}
