/** One version of an object. It is held by nothing but its version, which pins every read. */
import { TransferError } from '../../base/errors.ts';
import type { Reader } from '../byte-source.ts';
import { quoteName } from '../quoted-name.ts';
import type { FileIdentity, OpenFile } from '../store.ts';
import { type Bucket, UnlikeRange } from './bucket.ts';
import { statusOf, toS3Error } from './s3-error.ts';

export class ObjectFile implements OpenFile {
  readonly identity: FileIdentity;
  readonly source: Reader = {
    kind: 'reader',
    read: (target, offset, signal) => this.#read(target, offset, signal),
  };
  readonly #bucket: Bucket;
  readonly #key: string;

  constructor(bucket: Bucket, key: string, identity: FileIdentity) {
    this.#bucket = bucket;
    this.#key = key;
    this.identity = identity;
  }

  /** Each read was of this version, or failed: there is nothing to ask for behind the last one. */
  async verifyUnchanged(): Promise<void> {}

  async close(): Promise<void> {}

  async #read(target: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<number> {
    const { name, size } = this.identity;
    const bytes = Math.min(target.length, size - offset);
    if (bytes <= 0) return 0;
    try {
      await this.#bucket.read(this.#key, this.identity, target.subarray(0, bytes), offset, signal);
      return bytes;
    } catch (reason) {
      if (!isOtherVersion(reason)) throw toS3Error(reason, name);
      throw await this.#changed(reason, signal);
    }
  }

  async #changed(cause: unknown, signal: AbortSignal): Promise<TransferError> {
    const now = await this.#bucket.head(this.#key, signal).catch(() => undefined);
    const message = `${quoteName(this.identity.name)} was replaced or removed during the transfer; start over`;
    return new TransferError('FILE_CHANGED', message, { cause, version: now?.version });
  }
}

/** The object is gone, or another one. */
export function isOtherVersion(reason: unknown): boolean {
  return reason instanceof UnlikeRange || [404, 412, 416].includes(statusOf(reason) ?? 0);
}
