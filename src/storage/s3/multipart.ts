/** The requests of multipart uploads. Errors are as of `Bucket`. */
import type * as Sdk from '@aws-sdk/client-s3';
import { ATTEMPT_TIMEOUT_MS, type Attempts } from './attempts.ts';
import { MARK, versionOf } from './bucket.ts';
import { checksumText } from './reads/stored-checksum.ts';
import type { S3Sdk } from './sdk.ts';

/** What must be under the key when an upload is completed, as headers have it; none of them: anything. */
export interface CompleteCondition {
  readonly ifNoneMatch?: '*' | undefined;
  readonly ifMatch?: string | undefined;
}

/** A part as the store has it. */
export interface PartReceipt {
  /** Without quotes. */
  readonly etag: string;
  readonly crc32: number;
}

/** Parts share the link to the store with others. */
const LEAST_BYTES_PER_MS = 128;

/** Stores work on it for a time that grows with the parts. */
const COMPLETE_TIMEOUT_MS = 120_000;

export class Multipart {
  readonly #attempts: Attempts;
  readonly #sdk: S3Sdk;
  readonly #client: Sdk.S3Client;
  readonly #bucket: string;
  readonly #hasChecksums: boolean;

  /**
   * `client` is closed by whoever else has it.
   *
   * @param hasChecksums the store verifies and keeps the CRC-32 of parts
   */
  constructor(sdk: S3Sdk, client: Sdk.S3Client, bucket: string, attempts: Attempts, hasChecksums: boolean) {
    this.#hasChecksums = hasChecksums;
    this.#attempts = attempts;
    this.#sdk = sdk;
    this.#client = client;
    this.#bucket = bucket;
  }

  /** @param mark what `Bucket.head` tells of the object once it is completed */
  async create(key: string, mark: string): Promise<string> {
    const command = new this.#sdk.CreateMultipartUploadCommand({
      Bucket: this.#bucket,
      Key: key,
      Metadata: { [MARK]: mark },
      ...(this.#hasChecksums ? { ChecksumAlgorithm: 'CRC32' } : {}),
    });
    const { UploadId } = await this.#attempts.run((abortSignal) =>
      this.#client.send(command, { abortSignal }),
    );
    if (UploadId === undefined) throw new Error('the object store began a multipart upload without an id');
    return UploadId;
  }

  /** Writes the part `number`, from 1 on; returns its ETag, without quotes. `body` is not changed until it settles. */
  async putPart(
    key: string,
    uploadId: string,
    number: number,
    body: Uint8Array,
    crc32: number,
  ): Promise<string> {
    const command = new this.#sdk.UploadPartCommand({
      Bucket: this.#bucket,
      Key: key,
      UploadId: uploadId,
      PartNumber: number,
      Body: body,
      ContentLength: body.length,
      ...this.#checksum(crc32),
    });
    const { ETag } = await this.#attempts.run(
      (abortSignal) => this.#client.send(command, { abortSignal }),
      undefined,
      ATTEMPT_TIMEOUT_MS + body.length / LEAST_BYTES_PER_MS,
    );
    return versionOf(ETag);
  }

  /** The ETags of the parts that the store has, without quotes, by their numbers. */
  async parts(key: string, uploadId: string): Promise<Map<number, string>> {
    const etags = new Map<number, string>();
    let marker: string | undefined;
    do {
      const command = new this.#sdk.ListPartsCommand({
        Bucket: this.#bucket,
        Key: key,
        UploadId: uploadId,
        PartNumberMarker: marker,
      });
      const page = await this.#attempts.run((abortSignal) => this.#client.send(command, { abortSignal }));
      for (const { PartNumber = 0, ETag } of page.Parts ?? []) etags.set(PartNumber, versionOf(ETag));
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return etags;
  }

  /**
   * Makes the object of all `parts`, from 1 on; returns its ETag, without quotes.
   * A failure may be that of a second attempt behind a first one that succeeded.
   */
  async complete(
    key: string,
    uploadId: string,
    parts: readonly PartReceipt[],
    { ifMatch, ifNoneMatch }: CompleteCondition = {},
  ): Promise<string> {
    const command = new this.#sdk.CompleteMultipartUploadCommand({
      Bucket: this.#bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: {
        Parts: parts.map(({ etag, crc32 }, index) => ({
          PartNumber: index + 1,
          ETag: `"${etag}"`,
          ...this.#checksum(crc32),
        })),
      },
      IfMatch: ifMatch,
      IfNoneMatch: ifNoneMatch,
    });
    const { ETag } = await this.#attempts.run(
      (abortSignal) => this.#client.send(command, { abortSignal }),
      undefined,
      COMPLETE_TIMEOUT_MS,
    );
    return versionOf(ETag);
  }

  async abort(key: string, uploadId: string): Promise<void> {
    const command = new this.#sdk.AbortMultipartUploadCommand({
      Bucket: this.#bucket,
      Key: key,
      UploadId: uploadId,
    });
    await this.#attempts.run((abortSignal) => this.#client.send(command, { abortSignal }));
  }

  #checksum(crc32: number): { ChecksumCRC32?: string } {
    return this.#hasChecksums ? { ChecksumCRC32: checksumText(crc32) } : {};
  }
}
