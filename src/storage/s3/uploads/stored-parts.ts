/**
 * The parts that the store has, as the owner of an upload knows them, and how they
 * get into its ledger.
 *
 * Invariant: a part is committed once a ledger that names it was confirmed.
 */
import { GroupCommit } from '../../../base/async/group-commit.ts';
import type { ByteRange } from '../../../base/ranges.ts';
import type { CheckedRange } from '../../../wire/checked-ranges.ts';
import { crc32 } from '../../../wire/crc32.ts';
import { statusOf } from '../s3-error.ts';
import type { S3UploadContext } from './context.ts';
import type { GatheredPart } from './gathered-part.ts';
import { EMPTY_LEDGER, type Ledger, type StoredPart } from './ledger.ts';
import { markOf } from './marks.ts';
import type { Ownership } from './ownership.ts';
import type { Session } from './session.ts';

export class StoredParts {
  readonly #context: S3UploadContext;
  readonly #session: Session;
  readonly #ownership: Ownership;
  readonly #commit = new GroupCommit(() => this.#write());
  #stored = new Map<number, StoredPart>();
  #committed: Ledger = EMPTY_LEDGER;
  #uploadId: Promise<string> | undefined;

  constructor(context: S3UploadContext, session: Session, ownership: Ownership) {
    this.#context = context;
    this.#session = session;
    this.#ownership = ownership;
  }

  get isEmpty(): boolean {
    return this.#stored.size === 0;
  }

  has(index: number): boolean {
    return this.#stored.has(index);
  }

  /** What of the file the part is; undefined where the store does not have it. */
  rangeOf(index: number): ByteRange | undefined {
    const part = this.#stored.get(index);
    const start = index * this.#session.partBytes;
    return part === undefined ? undefined : { start, end: start + part.bytes };
  }

  /** Takes what a ledger names and the store has. Throws errors of the SDK. */
  async load(ledger: Ledger): Promise<void> {
    const parts = await this.#confirmed(ledger);
    const { uploadId } = parts === undefined ? EMPTY_LEDGER : ledger;
    this.#stored = new Map(parts);
    this.#committed = { uploadId, parts: parts ?? EMPTY_LEDGER.parts };
    this.#uploadId = uploadId === undefined ? undefined : Promise.resolve(uploadId);
  }

  /** Takes all that a ledger names: the parts have become a file. */
  remember({ parts }: Ledger): void {
    this.#stored = new Map(parts);
  }

  /** As `load`, for an owner that found its parts broken. */
  async reload(): Promise<void> {
    await this.load({ uploadId: await this.uploadId(), parts: this.#stored });
  }

  /** Committed ranges of the file, ascending; those that touch are one. */
  get committed(): ByteRange[] {
    const all: { start: number; end: number }[] = [];
    for (const { start, end } of this.#ranges(this.#committed.parts)) {
      const last = all.at(-1);
      if (last?.end === start) last.end = end;
      else all.push({ start, end });
    }
    return all;
  }

  /** Also those that no ledger names yet. */
  get all(): CheckedRange[] {
    return this.#ranges(this.#stored);
  }

  /** The first `count` parts; undefined where one is missing. */
  first(count: number): StoredPart[] | undefined {
    const parts: StoredPart[] = [];
    for (let index = 0; index < count; index++) {
      const part = this.#stored.get(index);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return parts;
  }

  /** Sends a part. It is in the ledger after `commit`. */
  async send({ index }: GatheredPart, body: Buffer): Promise<void> {
    const { keys, multipart } = this.#context;
    const stored = this.#stored;
    const uploadId = await this.uploadId();
    const crc = crc32(body);
    const etag = await multipart.putPart(keys.ofFile(this.#session.name), uploadId, index + 1, body, crc);
    // Behind a `load` it may be a part of another multipart upload.
    stored.set(index, { etag, crc32: crc, bytes: body.length });
  }

  /** That of the multipart upload, which begins with the first part. */
  uploadId(): Promise<string> {
    if (this.#uploadId === undefined) {
      const { keys, multipart } = this.#context;
      const { id, name } = this.#session;
      const creating = multipart.create(keys.ofFile(name), markOf(id));
      this.#uploadId = creating;
      creating.catch(() => {
        if (this.#uploadId === creating) this.#uploadId = undefined;
      });
    }
    return this.#uploadId;
  }

  /** Commits all that was sent. Throws TAKEN_OVER, UPLOAD_NOT_FOUND, errors of the SDK. */
  async commit(): Promise<void> {
    if (this.#committed.parts.size === this.#stored.size) return;
    await this.#commit.run();
  }

  async #write(): Promise<void> {
    const ledger = { uploadId: await this.uploadId(), parts: new Map(this.#stored) };
    await this.#ownership.write(ledger);
    this.#committed = ledger;
  }

  /** Undefined where there is no multipart upload, or no longer one. */
  async #confirmed({ uploadId, parts }: Ledger): Promise<Map<number, StoredPart> | undefined> {
    if (uploadId === undefined) return undefined;
    const { keys, multipart } = this.#context;
    try {
      const etags = await multipart.parts(keys.ofFile(this.#session.name), uploadId);
      return new Map([...parts].filter(([index, { etag }]) => etags.get(index + 1) === etag));
    } catch (reason) {
      if (statusOf(reason) === 404) return undefined;
      throw reason;
    }
  }

  #ranges(parts: Ledger['parts']): CheckedRange[] {
    const { partBytes } = this.#session;
    const ranges = Array.from(parts, ([index, { bytes, crc32: crc }]) => {
      const start = index * partBytes;
      return { start, end: start + bytes, crc32: crc };
    });
    return ranges.sort((a, b) => a.start - b.start);
  }
}
