/**
 * One upload to a bucket, as one server sees it: whose it is, its writers, and its
 * end.
 *
 * Invariants: nothing is sent to the store unless the upload is ours; what is
 * committed never decreases while it stays ours; the file gets its name only by
 * `finish`. Another server may take the upload over at any moment: then writers
 * end with TAKEN_OVER, and what is in memory is dropped.
 */
import { createHash } from 'node:crypto';
import { Mutex } from '../../../base/async/mutex.ts';
import { TransferError } from '../../../base/errors.ts';
import type { ByteRange } from '../../../base/ranges.ts';
import { CheckedRanges } from '../../../wire/checked-ranges.ts';
import { crc32 } from '../../../wire/crc32.ts';
import { checkCommitted, checkSha256, type Declared, declaredContent } from '../../content-check.ts';
import { requireSize } from '../../max-size.ts';
import { quoteName } from '../../quoted-name.ts';
import type { FileIdentity } from '../../store.ts';
import { uploadNotFound } from '../../upload-not-found.ts';
import type { ExpectedContent, Upload, UploadState, UploadWriter } from '../../upload-store.ts';
import { Writers } from '../../writers.ts';
import { statusOf, toS3Error } from '../s3-error.ts';
import type { S3UploadContext } from './context.ts';
import { discardSession } from './discard.ts';
import type { Ledger } from './ledger.ts';
import type { Ownership } from './ownership.ts';
import {
  BROKEN_PARTS,
  findPublished,
  type Published,
  publishParts,
  publishSmall,
  requirePublished,
} from './publish.ts';
import { noSha256, requireParts, type Session } from './session.ts';
import { UploadContent } from './upload-content.ts';

export interface UploadListener {
  /** The upload is ours, and must be found here. */
  owned(upload: S3Upload): void;
  /** It is finished, gone, or another's. */
  ended(upload: S3Upload): void;
}

export class S3Upload implements Upload {
  readonly id: string;
  readonly name: string;
  readonly owner: string | undefined;
  readonly expectedSize: number | undefined;
  readonly session: Session;
  /** Whose share of the unfinished uploads it takes: of one that another server began, only an identity is known. */
  share: string | undefined;
  readonly #context: S3UploadContext;
  readonly #listener: UploadListener;
  readonly #ownership: Ownership;
  readonly #content: UploadContent;
  readonly #writers = new Writers();
  /** Held by finish, end and the opening of writers. */
  readonly #mutex = new Mutex();
  readonly #drop = () => this.#dropAll();
  #touchedMs: number;
  /** No finish follows at once: whoever wrote last has made it durable, as far as that goes. */
  #isLeft = true;
  #published: Published | undefined;
  #gone: TransferError | undefined;
  /** Why a part could not be stored, since the last flush. */
  #failure: TransferError | undefined;

  constructor(
    context: S3UploadContext,
    session: Session,
    ownership: Ownership,
    touchedMs: number,
    listener: UploadListener,
  ) {
    const { expected, id, name, owner } = session;
    this.id = id;
    this.name = name;
    this.owner = owner;
    this.share = owner;
    this.expectedSize = expected.size;
    this.session = session;
    this.#context = context;
    this.#listener = listener;
    this.#ownership = ownership;
    this.#touchedMs = touchedMs;
    this.#content = new UploadContent(context, session, ownership, (reason) => this.#failed(reason));
  }

  /** What the store says of an upload that is not ours. */
  async load(ledger: Ledger, published: Published | undefined): Promise<void> {
    this.#published = published;
    if (published === undefined) await this.#content.stored.load(ledger);
    else this.#content.stored.remember(ledger);
  }

  state(): UploadState {
    const { expectedSize } = this;
    const expiresMs = this.#touchedMs + this.#context.options.expiryMs;
    const file = this.#published?.file;
    const parts = file === undefined ? this.#content.stored.committed : wholeOf(file);
    const [first] = parts;
    return { committedSize: first?.start === 0 ? first.end : 0, parts, expectedSize, file, expiresMs };
  }

  /** Calls write to it. */
  get isBusy(): boolean {
    return !this.#writers.isEmpty;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  get touchedMs(): number {
    return this.#touchedMs;
  }

  /** Bytes that have come, durable or not. */
  get receivedSize(): number {
    return this.#content.receivedSize;
  }

  /** Whether what is known of it here is how it is. Throws errors of the SDK. */
  async isCurrent(): Promise<boolean> {
    if (this.#published !== undefined || this.isBusy) return true;
    if (!this.#ownership.isOurs || this.isGone) return false;
    try {
      await this.#ownership.check();
      return true;
    } catch (reason) {
      if (!(reason instanceof TransferError)) throw reason;
      this.#failed(reason);
      return false;
    }
  }

  openWriter(onFailed: (error: Error) => void): Promise<UploadWriter> {
    return this.#mutex.run(async () => {
      await this.#writers.goodAgain();
      this.#requireOpen();
      const { memory } = this.#context;
      const bytes = Math.min(this.session.partBytes, this.expectedSize ?? Number.POSITIVE_INFINITY);
      await this.#content.share.reserve(bytes);
      try {
        await this.#own();
        this.#requireOpen();
      } catch (reason) {
        this.#content.share.unreserve(bytes);
        throw toS3Error(reason, this.name);
      }
      memory.mayNotDrop(this.#drop);
      const sink = {
        kind: 'writer',
        write: (data: Uint8Array, offset: number, signal: AbortSignal) =>
          this.#content.write(data, offset, signal),
      } as const;
      return this.#writers.add(sink, onFailed, async () => {
        this.#content.share.unreserve(bytes);
        this.#maybeIdle();
      });
    });
  }

  missing(start: number, end: number): ByteRange[] {
    return this.#content.missing(start, end);
  }

  checkQuota(offset: number, bytes: number): void {
    this.#requireOpen();
    const end = offset + bytes;
    requireSize(this.#context.options.maxSizeBytes, this.name, end);
    requireParts(this.session, end);
    if (this.expectedSize === undefined || end <= this.expectedSize) return;
    const message = `${quoteName(this.name)} was declared with ${this.expectedSize} bytes, and ${end} are sent; start over`;
    throw new TransferError('CONTENT_MISMATCH', message);
  }

  /** They are in a part already: only checked bytes are written. */
  written(): void {
    this.#touchedMs = this.#context.now();
    this.#isLeft = false;
  }

  /** Commits the parts that are full. */
  async sync(): Promise<void> {
    if (this.#published !== undefined) return;
    this.#requireOpen();
    this.#isLeft = true;
    try {
      if (this.#ownership.isOurs) await this.#flush();
    } finally {
      this.#maybeIdle();
    }
  }

  finish(expected: ExpectedContent): Promise<FileIdentity> {
    return this.#mutex.run(async () => {
      const declared = declaredContent(this.session, expected);
      if (this.#published !== undefined) return this.#finished(this.#published, declared);
      this.#requireOpen();
      try {
        return await this.#finish(declared);
      } catch (reason) {
        throw toS3Error(reason, this.name);
      } finally {
        this.#isLeft = true;
        this.#maybeIdle();
      }
    });
  }

  async abort(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#published !== undefined) {
        const message = `the upload of ${quoteName(this.name)} is finished; delete the file instead`;
        throw new TransferError('INVALID_ARGUMENT', message);
      }
      if (this.isGone) return;
      try {
        await discardSession(this.#context, this.id);
      } catch (reason) {
        throw toS3Error(reason, this.name);
      }
      this.#failed(uploadNotFound(this.id, 'was aborted'));
    });
  }

  /** Commits full parts and lets go of it; any server goes on. */
  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#published !== undefined || this.isGone || !this.#ownership.isOurs) return;
      await this.#flush().catch(() => {});
      this.#writers.fail(new TransferError('UNAVAILABLE', 'the server is stopping; resume'));
      this.#dropAll();
    });
  }

  async #finish(declared: Declared): Promise<FileIdentity> {
    await this.#own();
    if (this.#published !== undefined) return this.#finished(this.#published, declared);
    await this.#flush();
    const size = checkCommitted(this.name, declared, this.#content.checked(), this.#content.mayLackBytes);
    const onlyPart = this.#content.onlyPart(size);
    if (declared.sha256 !== undefined && onlyPart === undefined) throw noSha256(this.name);
    await this.#endWriters();
    this.#published =
      onlyPart === undefined
        ? await this.#publishParts(size)
        : await this.#publishSmall(onlyPart, declared.sha256);
    this.#touchedMs = this.#context.now();
    this.#dropAll();
    this.#listener.ended(this);
    return this.#published.file;
  }

  async #publishSmall(bytes: Uint8Array, sha256: string | undefined): Promise<Published> {
    if (sha256 !== undefined) checkSha256(this.name, sha256, createHash('sha256').update(bytes).digest());
    await this.#ownership.check();
    return await publishSmall(this.#context, this.session, bytes, crc32(bytes));
  }

  async #publishParts(size: number): Promise<Published> {
    // Where nobody declared a size, the last part is known only now.
    await this.#flush(size);
    const parts = this.#content.stored.first(Math.ceil(size / this.session.partBytes));
    if (parts === undefined) throw new TransferError('INTERNAL', 'an upload was checked and lacks a part');
    await this.#ownership.check();
    try {
      return await publishParts(
        this.#context,
        this.session,
        size,
        await this.#content.stored.uploadId(),
        parts,
      );
    } catch (reason) {
      if (!(reason instanceof TransferError) || reason.code !== BROKEN_PARTS) throw reason;
      this.#content.lacksBytes();
      await this.#content.stored.reload();
      throw new TransferError('CONTENT_MISMATCH', reason.message, { cause: reason });
    }
  }

  /** A repeated finish. */
  #finished({ crc32: crc, file }: Published, declared: Declared): FileIdentity {
    const known = crc ?? new CheckedRanges(this.#content.stored.all).crc32Of(file.size);
    requirePublished(this.session, { crc32: known, file }, declared);
    return file;
  }

  /** Takes the upload over from another server, unless it is ours. */
  async #own(): Promise<void> {
    if (this.#ownership.isOurs) return;
    this.#dropAll();
    await this.#content.idle();
    await this.#ownership.takeOver(async (ledger) => {
      await this.#content.stored.load(ledger);
      // Behind the look for parts: a completion takes them away, and the file is there before.
      this.#published = await findPublished(this.#context, this.session);
      if (this.#published !== undefined) this.#content.stored.remember(ledger);
    });
    if (this.#published === undefined) this.#listener.owned(this);
  }

  /** Sends full parts, with `size` the last one too, and commits them. Throws why that failed. */
  async #flush(size?: number): Promise<void> {
    this.#failure = undefined;
    await this.#content.flush(size);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nothing more can be written for now: streams end, and the client asks for the state. */
  #failed(reason: unknown): void {
    const error = this.#errorOf(reason);
    this.#failure = error;
    this.#content.lacksBytes();
    if (error.code === 'UPLOAD_NOT_FOUND') this.#gone = error;
    this.#writers.fail(error);
    if (!this.isGone && this.#ownership.isOurs) return;
    this.#dropAll();
    this.#listener.ended(this);
  }

  #errorOf(reason: unknown): TransferError {
    if (statusOf(reason) !== 404) return toS3Error(reason, this.name);
    // Of the multipart upload: somebody has finished or aborted it.
    this.#ownership.giveUp();
    const message = `parts of ${quoteName(this.name)} are gone from the object store; ask for the state of the upload`;
    return new TransferError('UNAVAILABLE', message, { cause: reason });
  }

  async #endWriters(): Promise<void> {
    const message = `the upload of ${quoteName(this.name)} is being finished by another call; ask for its state`;
    this.#writers.fail(new TransferError('TAKEN_OVER', message));
    await this.#writers.goodAgain();
  }

  #dropAll(): void {
    this.#context.memory.mayNotDrop(this.#drop);
    this.#content.drop();
  }

  /** What is left of parts stays while nobody wants the memory. */
  #maybeIdle(): void {
    if (this.#isLeft && !this.isBusy && !this.#content.isStored) this.#context.memory.mayDrop(this.#drop);
  }

  #requireOpen(): void {
    if (this.#published !== undefined) throw uploadNotFound(this.id, 'is finished and accepts no more bytes');
    if (this.#gone !== undefined) throw this.#gone;
  }
}

function wholeOf({ size }: FileIdentity): ByteRange[] {
  return size === 0 ? [] : [{ start: 0, end: size }];
}
