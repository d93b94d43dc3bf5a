/**
 * The requests that sluice makes of a bucket, by key. Errors are those of the SDK,
 * or the reason of the signal; `s3-error.ts` says what they mean.
 */
import { randomUUID } from 'node:crypto';
import type * as Sdk from '@aws-sdk/client-s3';
import { Semaphore } from '../../base/async/semaphore.ts';
import { OBJECT_PAGES_AT_ONCE } from '../../base/limits.ts';
import type { Attempts } from './attempts.ts';
import {
  checksumText,
  type StoredChecksum,
  type StoredPart,
  storedChecksumOf,
  wholeCrc32,
} from './reads/stored-checksum.ts';
import { statusOf } from './s3-error.ts';
import type { S3Sdk } from './sdk.ts';

/** What an object is at one moment. */
export interface StoredObject {
  /** Bytes. */
  readonly size: number;
  /** The ETag, without quotes. */
  readonly version: string;
  /** Whole seconds: HEAD has no more. */
  readonly modifiedMs: number;
  /** Of whoever wrote it; empty where no server of sluice did. */
  readonly mark: string;
  /** Undefined where the store tells none. */
  readonly checksum: StoredChecksum | undefined;
}

/** What of an object a page of a listing tells, too. */
type ListedFacts = Omit<StoredObject, 'checksum' | 'mark'>;

export interface ListedObject extends ListedFacts {
  readonly key: string;
}

/** A part of what a bucket has, in the order of its keys. */
export interface ListedPage {
  readonly objects: readonly ListedObject[];
  /** What several keys begin with, up to a '/' behind the prefix that was asked for. */
  readonly prefixes: readonly string[];
  /** What asks for the rest; undefined behind the last page. */
  readonly token: string | undefined;
}

export interface PageOptions {
  /** What comes behind this key. */
  readonly after?: string | undefined;
  readonly token?: string | undefined;
  readonly max?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The key of user metadata that has the mark. */
export const MARK = 'sluice-mark';

export class Bucket {
  readonly #attempts: Attempts;
  readonly #sdk: S3Sdk;
  readonly #client: Sdk.S3Client;
  readonly #bucket: string;
  readonly #pages = new Semaphore(OBJECT_PAGES_AT_ONCE);

  /** Takes over `client`, and closes it. */
  constructor(sdk: S3Sdk, client: Sdk.S3Client, bucket: string, attempts: Attempts) {
    this.#attempts = attempts;
    this.#sdk = sdk;
    this.#client = client;
    this.#bucket = bucket;
  }

  async head(key: string, signal?: AbortSignal): Promise<StoredObject> {
    const command = new this.#sdk.HeadObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ChecksumMode: 'ENABLED',
    });
    const answer = await this.#attempts.run(
      (abortSignal) => this.#client.send(command, { abortSignal }),
      signal,
    );
    return {
      ...objectOf(answer, answer.ContentLength),
      mark: answer.Metadata?.[MARK] ?? '',
      checksum: storedChecksumOf(answer),
    };
  }

  /**
   * The CRC-32 of an object that was uploaded in parts, by what the store keeps of each part; undefined where it
   * keeps less, or has another version now.
   */
  async partsCrc32(
    key: string,
    { size, version }: Pick<StoredObject, 'size' | 'version'>,
    checksum: StoredChecksum,
  ): Promise<number | undefined> {
    const parts: StoredPart[] = [];
    let marker: string | undefined;
    do {
      const command = new this.#sdk.GetObjectAttributesCommand({
        Bucket: this.#bucket,
        Key: key,
        ObjectAttributes: ['ETag', 'ObjectParts'],
        PartNumberMarker: marker,
      });
      const answer = await this.#attempts.run((abortSignal) => this.#client.send(command, { abortSignal }));
      if (versionOf(answer.ETag) !== version) return undefined;
      for (const part of answer.ObjectParts?.Parts ?? []) {
        const ofPart = storedChecksumOf(part);
        if (ofPart === undefined) return undefined;
        parts.push({ bytes: part.Size ?? 0, crc32: ofPart.crc32 });
      }
      const { IsTruncated, NextPartNumberMarker } = answer.ObjectParts ?? {};
      const next = IsTruncated === true ? NextPartNumberMarker : undefined;
      // A store may not get on.
      marker = next === marker ? undefined : next;
    } while (marker !== undefined);
    return wholeCrc32(checksum, size, parts);
  }

  /** What begins with `prefix`, by whole components. */
  async page(prefix: string, { after, token, max, signal }: PageOptions = {}): Promise<ListedPage> {
    const command = new this.#sdk.ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: prefix,
      Delimiter: '/',
      // Keys may have characters that XML does not.
      EncodingType: 'url',
      StartAfter: after,
      ContinuationToken: token,
      MaxKeys: max,
    });
    const answer = await this.#pages.run(
      () => this.#attempts.run((abortSignal) => this.#client.send(command, { abortSignal }), signal),
      signal,
    );
    const textOf = answer.EncodingType === 'url' ? decoded : (text: string) => text;
    return {
      objects: (answer.Contents ?? []).map((each) => ({
        ...objectOf(each, each.Size),
        key: textOf(each.Key ?? ''),
      })),
      prefixes: (answer.CommonPrefixes ?? []).map((each) => textOf(each.Prefix ?? '')),
      token: answer.IsTruncated === true ? answer.NextContinuationToken : undefined,
    };
  }

  /** A small object whole. It is read for as long as it takes: the caller knows that it is small. */
  async get(key: string): Promise<Buffer> {
    const command = new this.#sdk.GetObjectCommand({ Bucket: this.#bucket, Key: key });
    return await this.#attempts.run(async (abortSignal) => {
      const { Body } = await this.#client.send(command, { abortSignal });
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    });
  }

  /**
   * Writes a small object whole.
   *
   * @param ifMatch what must be under the key, as the store wants it in `If-Match`; null: nothing may be there
   * @param mark of no other object; default: one of its own
   * @param crc32 of `body`, where the store verifies and keeps it
   * @returns its version
   */
  async put(
    key: string,
    body: Uint8Array,
    ifMatch?: string | null,
    mark: string = randomUUID(),
    crc32?: number,
  ): Promise<string> {
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Body: body,
      ContentLength: body.length,
      Metadata: { [MARK]: mark },
      ...(crc32 === undefined ? {} : { ChecksumCRC32: checksumText(crc32) }),
      ...(ifMatch === null ? { IfNoneMatch: '*' } : { IfMatch: ifMatch }),
    });
    try {
      const { ETag } = await this.#attempts.run((abortSignal) => this.#client.send(command, { abortSignal }));
      return versionOf(ETag);
    } catch (reason) {
      // An attempt whose answer was lost may have written it, and broken the condition of the next one.
      const now = await this.#found(key);
      if (now?.mark === mark) return now.version;
      throw reason;
    }
  }

  /** @param ifMatch as in `put` */
  async delete(key: string, ifMatch?: string): Promise<void> {
    const command = new this.#sdk.DeleteObjectCommand({ Bucket: this.#bucket, Key: key, IfMatch: ifMatch });
    try {
      await this.#attempts.run((abortSignal) => this.#client.send(command, { abortSignal }));
    } catch (reason) {
      // As with `put`: gone is what it should be.
      if (statusOf(reason) !== 412 || (await this.#found(key)) !== undefined) throw reason;
    }
  }

  /** Undefined where there is nothing. */
  async #found(key: string): Promise<StoredObject | undefined> {
    try {
      return await this.head(key);
    } catch (reason) {
      if (statusOf(reason) === 404) return undefined;
      throw reason;
    }
  }

  /** Whether any key begins with `prefix`. */
  async hasAny(prefix: string, signal?: AbortSignal): Promise<boolean> {
    const { objects, prefixes } = await this.page(prefix, { max: 1, signal });
    return objects.length + prefixes.length > 0;
  }

  close(): void {
    this.#client.destroy();
  }
}

function objectOf(
  { ETag, LastModified }: { ETag?: string | undefined; LastModified?: Date | undefined },
  size = 0,
): ListedFacts {
  const modifiedMs = Math.floor((LastModified?.getTime() ?? 0) / 1000) * 1000;
  return { size, version: versionOf(ETag), modifiedMs };
}

/** Without its quotes. */
export function versionOf(etag = ''): string {
  return etag.replace(/^"|"$/g, '');
}

function decoded(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
