/** One version of an object. It is held by nothing but its version, which pins every read. */
import { TransferError } from '../../../base/errors.ts';
import type { Reader } from '../../byte-source.ts';
import { quoteName } from '../../quoted-name.ts';
import type { FileIdentity, OpenFile } from '../../store.ts';
import type { Bucket, StoredObject } from '../bucket.ts';
import { DamagedObject, statusOf, toS3Error } from '../s3-error.ts';
import { type RangeReads, UnlikeRange } from './range-reads.ts';

export interface ObjectContext {
  readonly bucket: Bucket;
  readonly reads: RangeReads;
  readonly key: string;
  /** That the store keeps, if it is to be compared. */
  readonly checksum: StoredObject['checksum'];
}

export class ObjectFile implements OpenFile {
  readonly identity: FileIdentity;
  readonly source: Reader = {
    kind: 'reader',
    read: (target, offset, signal) => this.#read(target, offset, signal),
  };
  readonly #context: ObjectContext;

  constructor(context: ObjectContext, identity: FileIdentity) {
    this.#context = context;
    this.identity = identity;
  }

  /** Each read was of this version, or failed: there is nothing but the checksum to ask for behind the last one. */
  async verifyUnchanged(crc32?: number): Promise<void> {
    if (crc32 === undefined) return;
    const stored = await this.#storedCrc32();
    if (stored !== undefined && stored !== crc32) throw toS3Error(new DamagedObject(), this.identity.name);
  }

  async close(): Promise<void> {}

  /** Undefined where there is none, or the store does not tell what it is made of. */
  async #storedCrc32(): Promise<number | undefined> {
    const { bucket, checksum, key } = this.#context;
    if (checksum === undefined || checksum.parts === 0) return checksum?.crc32;
    return await bucket.partsCrc32(key, this.identity, checksum).catch(() => undefined);
  }

  async #read(target: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<number> {
    const { name, size } = this.identity;
    const { key, reads } = this.#context;
    const bytes = Math.min(target.length, size - offset);
    if (bytes <= 0) return 0;
    try {
      await reads.read(key, this.identity, target.subarray(0, bytes), offset, signal);
      return bytes;
    } catch (reason) {
      if (!isOtherVersion(reason)) throw toS3Error(reason, name);
      throw await this.#changed(reason, signal);
    }
  }

  async #changed(cause: unknown, signal: AbortSignal): Promise<TransferError> {
    const { bucket, key } = this.#context;
    const now = await bucket.head(key, signal).catch(() => undefined);
    const message = `${quoteName(this.identity.name)} was replaced or removed during the transfer; start over`;
    return new TransferError('FILE_CHANGED', message, { cause, version: now?.version });
  }
}

/** The object is gone, or another one. */
export function isOtherVersion(reason: unknown): boolean {
  return reason instanceof UnlikeRange || [404, 412, 416].includes(statusOf(reason) ?? 0);
}
