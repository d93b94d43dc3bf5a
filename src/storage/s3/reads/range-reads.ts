/**
 * Reads of ranges of objects, each pinned to a version, from the socket into memory
 * that the caller has.
 */
import type { Readable } from 'node:stream';
import type * as Sdk from '@aws-sdk/client-s3';
import { crc32 } from '../../../wire/crc32.ts';
import type { Attempts } from '../attempts.ts';
import { type StoredObject, versionOf } from '../bucket.ts';
import { DamagedObject } from '../s3-error.ts';
import type { S3Sdk } from '../sdk.ts';
import { HedgedFill } from './hedged-fill.ts';
import type { Hedging } from './hedging.ts';
import { storedChecksumOf } from './stored-checksum.ts';

export interface RangeReadsOptions {
  /** null: no read has a second request. */
  readonly hedging: Hedging | null;
  /** What is read whole is compared with the checksum that the store keeps. */
  readonly checksums: boolean;
}

export class RangeReads {
  readonly #sdk: S3Sdk;
  readonly #client: Sdk.S3Client;
  readonly #bucket: string;
  readonly #attempts: Attempts;
  readonly #options: RangeReadsOptions;

  constructor(
    sdk: S3Sdk,
    client: Sdk.S3Client,
    bucket: string,
    attempts: Attempts,
    options: RangeReadsOptions,
  ) {
    this.#sdk = sdk;
    this.#client = client;
    this.#bucket = bucket;
    this.#attempts = attempts;
    this.#options = options;
  }

  get comparesChecksums(): boolean {
    return this.#options.checksums;
  }

  /**
   * Fills `target`, of a byte at least, with the bytes of this version from `offset` on.
   *
   * Settles once nothing more is written to `target`.
   *
   * @throws what is not transient, such as a refusal with status 412, `UnlikeRange`, and `DamagedObject`
   */
  async read(
    key: string,
    object: Pick<StoredObject, 'size' | 'version'>,
    target: Uint8Array<SharedArrayBuffer>,
    offset: number,
    signal: AbortSignal,
  ): Promise<void> {
    const end = offset + target.length;
    // Stores tell the checksum of the whole with the whole only.
    const isWhole = this.#options.checksums && offset === 0 && end === object.size;
    let stored: number | undefined;
    const open = async (at: number, abortSignal: AbortSignal) => {
      const isFirst = isWhole && at === 0;
      const command = this.#command(key, object.version, isFirst ? undefined : rangeOf(offset + at, end));
      const answer = await this.#client.send(command, { abortSignal });
      const body = answer.Body as Readable;
      if (!isAsAsked(answer, object, isFirst ? undefined : `${offset + at}-${end - 1}`)) {
        body.destroy();
        throw new UnlikeRange();
      }
      const checksum = isFirst ? storedChecksumOf(answer) : undefined;
      if (checksum?.parts === 0) stored = checksum.crc32;
      return body;
    };
    const { hedging } = this.#options;
    const spare = (work: () => Promise<void>) => this.#attempts.spare(work);
    const fill = new HedgedFill({ target, open, hedging, spare });
    await this.#attempts.run(async (abortSignal) => {
      await fill.run(abortSignal);
      if (stored === undefined || crc32(target) === stored) return;
      fill.discard();
      throw new DamagedObject();
    }, signal);
  }

  #command(key: string, version: string, range: string | undefined): Sdk.GetObjectCommand {
    const command = new this.#sdk.GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Range: range,
      IfMatch: `"${version}"`,
    });
    // With ChecksumMode the SDK would read the whole body before anybody else sees a byte of it.
    if (range === undefined) command.middlewareStack.add(withChecksum, { step: 'build' });
    return command;
  }
}

/** A store that gave other bytes than were asked for. */
export class UnlikeRange extends Error {
  constructor() {
    super('the object store answered with another range or version than it was asked for');
  }
}

/** Has the store tell its checksum of the whole. */
function withChecksum<Args extends { request: unknown }, Answer>(
  next: (args: Args) => Promise<Answer>,
): (args: Args) => Promise<Answer> {
  return (args) => {
    const { headers } = args.request as { headers: Record<string, string> };
    headers['x-amz-checksum-mode'] = 'ENABLED';
    return next(args);
  };
}

function rangeOf(start: number, end: number): string {
  return `bytes=${start}-${end - 1}`;
}

/** @param range as `Content-Range` has it; undefined: all was asked for */
function isAsAsked(
  { ContentLength, ContentRange, ETag }: Sdk.GetObjectCommandOutput,
  { size, version }: Pick<StoredObject, 'size' | 'version'>,
  range: string | undefined,
): boolean {
  if (versionOf(ETag) !== version) return false;
  return range === undefined ? ContentLength === size : ContentRange === `bytes ${range}/${size}`;
}
