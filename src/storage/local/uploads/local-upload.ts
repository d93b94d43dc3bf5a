/**
 * One upload of a local store: its bytes in a partial file, the committed ones listed
 * in a journal. This file has its life cycle; how bytes become durable is in
 * `commits.ts`, how the partial file becomes a file in `publish.ts`.
 */
import { constants } from 'node:fs';
import { Mutex } from '../../../base/async/mutex.ts';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { entryStatsOf } from '../../../base/files/entry-stats.ts';
import { settledStats } from '../../../base/files/settled-stats.ts';
import { EMPTY_UPLOAD_EXPIRY_MS } from '../../../base/limits.ts';
import type { ByteRange } from '../../../base/ranges.ts';
import type { CheckedRange } from '../../../wire/checked-ranges.ts';
import { checkCommitted, checkSha256, declaredContent } from '../../content-check.ts';
import { quoteName } from '../../quoted-name.ts';
import type { FileIdentity } from '../../store.ts';
import { uploadNotFound } from '../../upload-not-found.ts';
import type { ExpectedContent, Upload, UploadSpec, UploadState, UploadWriter } from '../../upload-store.ts';
import { Writers } from '../../writers.ts';
import { isRecordOf } from './create-upload.ts';
import { RefCountedDescriptor } from './disk/ref-counted-descriptor.ts';
import { toWriteError, writeErrorOf } from './disk/write-error.ts';
import { checkFinished } from './finished-check.ts';
import { Commits } from './journal/commits.ts';
import type { Journal } from './journal/journal.ts';
import { openPartial } from './open-partial.ts';
import type { UploadContext } from './options.ts';
import { publish } from './publish.ts';
import { requireQuota } from './quota.ts';
import { removeUploadFiles } from './remove-upload.ts';

const OPEN_PARTIAL_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Finished: the file is there. Gone: aborted or expired. */
export type UploadEnd = 'finished' | 'gone';

export class LocalUpload implements Upload {
  readonly id: string;
  readonly name: string;
  readonly owner: string | undefined;
  readonly expectedSize: number | undefined;
  /** With several processes: another stream may come to another one. */
  readonly maxStreams: number | undefined;
  readonly #context: UploadContext;
  readonly #journal: Journal;
  readonly #partial: RefCountedDescriptor;
  readonly #writers = new Writers();
  readonly #commits: Commits;
  /** Held by finish, end and the opening of writers. */
  readonly #mutex = new Mutex();
  readonly #isRecovered: boolean;
  readonly #onEnded: (end: UploadEnd) => void;
  #touchedMs: number;
  /** Why the upload has ended; undefined while it is open. */
  #end: TransferError | undefined;

  /** `isRecovered`: of an earlier process. `onEnded` runs once, when the upload is finished or gone. */
  constructor(
    context: UploadContext,
    journal: Journal,
    isRecovered: boolean,
    onEnded: (end: UploadEnd) => void,
  ) {
    const { spec, touchedMs } = journal.state;
    this.id = journal.id;
    this.name = spec.name;
    this.owner = spec.owner;
    this.expectedSize = spec.expected.size;
    this.maxStreams = context.locks.number === null ? undefined : 1;
    this.#context = context;
    this.#journal = journal;
    this.#touchedMs = touchedMs;
    this.#isRecovered = isRecovered;
    this.#onEnded = onEnded;
    this.#partial = new RefCountedDescriptor(
      () => this.#openPartialFile(),
      (fd) => context.fs.close(fd),
    );
    this.#commits = new Commits(context, journal, this.#partial, (error) => this.#writers.fail(error));
  }

  state(): UploadState {
    const { committed, finished } = this.#journal.state;
    return {
      committedSize: committed.endAt(0),
      parts: Array.from(committed, ({ start, end }) => ({ start, end })),
      expectedSize: this.expectedSize,
      file: finished?.file,
      expiresMs: this.#touchedMs + this.#context.options.expiryMs,
    };
  }

  /** Milliseconds since the epoch. */
  get startedMs(): number {
    return this.#journal.state.spec.atMs;
  }

  /** All that are durable, with gaps between them. */
  get committedBytes(): number {
    return this.#journal.state.committed.bytes;
  }

  /** Whether it was started with this spec. */
  isOf(spec: UploadSpec): boolean {
    return isRecordOf(this.#journal.state.spec, spec);
  }

  openWriter(onFailed: (error: Error) => void): Promise<UploadWriter> {
    // Serialized: whoever finishes the upload knows every writer there is.
    return this.#mutex.run(() => this.#openWriter(onFailed));
  }

  missing(start: number, end: number): ByteRange[] {
    return this.#commits.written.missing(start, end);
  }

  checkQuota(offset: number, bytes: number): void {
    this.#requireOpen();
    requireQuota(this.#context, this, this.#commits.written, offset, bytes);
  }

  written(range: CheckedRange): void {
    if (range.start === range.end || this.#end !== undefined || !this.#writers.areGood) return;
    this.#commits.note(range);
    const { index, freeSpace, now } = this.#context;
    this.#touchedMs = now();
    const receivedSize = this.#commits.written.bytes;
    index.noteOpen(this.id, { receivedSize, touchedMs: this.#touchedMs });
    freeSpace.noteWritten(range.end - range.start);
  }

  async sync(): Promise<void> {
    if (this.#journal.state.finished !== undefined) return;
    this.#requireOpen();
    await this.#commits.sync();
  }

  /** Serialized: each call is judged by its own declaration. */
  finish(expected: ExpectedContent): Promise<FileIdentity> {
    return this.#mutex.run(async () => {
      const { finished } = this.#journal.state;
      if (finished === undefined) return await this.#finish(expected);
      return await checkFinished(this.#context, this.#journal.state, finished, expected);
    });
  }

  async abort(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#journal.state.finished !== undefined) {
        const message = `the upload of ${quoteName(this.name)} is finished; delete the file instead`;
        throw new TransferError('INVALID_ARGUMENT', message);
      }
      if (this.#end !== undefined && !this.isGone) throw this.#end;
      await this.#discard('was aborted');
    });
  }

  get isGone(): boolean {
    return this.#end?.code === 'UPLOAD_NOT_FOUND';
  }

  /** When its time is over: discards it, or forgets that it is finished. */
  async expireIfOld(): Promise<void> {
    if (!this.#isOld()) return;
    await this.#mutex.run(async () => {
      if (this.#isOld()) await this.#discard('expired');
    });
  }

  #isOld(): boolean {
    const { now, options } = this.#context;
    const lifetimeMs = this.#isIdleAndEmpty()
      ? Math.min(EMPTY_UPLOAD_EXPIRY_MS, options.expiryMs)
      : options.expiryMs;
    return this.#touchedMs + lifetimeMs <= now();
  }

  #isIdleAndEmpty(): boolean {
    const { committed, finished } = this.#journal.state;
    return !this.isBusy && finished === undefined && committed.count + this.#commits.written.count === 0;
  }

  /** Calls write to it. */
  get isBusy(): boolean {
    return !this.#writers.isEmpty;
  }

  /** A call asks for it, which keeps an upload without bytes alive. */
  asked(): void {
    if (this.#end !== undefined || !this.#isIdleAndEmpty()) return;
    this.#touchedMs = this.#context.now();
    this.#context.index.noteOpen(this.id, { receivedSize: 0, touchedMs: this.#touchedMs });
  }

  /** Discards it for another one, unless a call has come to it. */
  async giveUp(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.isBusy || this.#end !== undefined || this.#journal.state.finished !== undefined) return;
      await this.#discard('had to make room for others');
    });
  }

  /** Commits what is written and stops; a later process goes on. */
  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#end !== undefined || this.#journal.state.finished !== undefined) return;
      await this.#commits.flush();
      this.#stop(new TransferError('UNAVAILABLE', 'the server is stopping; resume'));
      await this.#commits.stop();
    });
  }

  /** Commits what is written and lets go of the files, for another process that goes on. */
  async handOver(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#end !== undefined || this.#journal.state.finished !== undefined) return;
      await this.#commits.flush();
      const message = `another connection goes on with the upload of ${quoteName(this.name)}; ask for its state and resume`;
      this.#stop(new TransferError('ABORTED', message));
      await this.#writers.goodAgain();
      await this.#commits.stop();
    });
  }

  async #openWriter(onFailed: (error: Error) => void): Promise<UploadWriter> {
    await this.#writers.goodAgain();
    this.#requireOpen();
    try {
      // Must come before bytes change that an unconfirmed record of the journal may name.
      await this.#journal.repair();
      const fd = await this.#partial.acquire();
      const errorOf = (errno: string, cause?: unknown) => writeErrorOf(errno, this.name, cause);
      return this.#writers.add({ kind: 'descriptor', fd, errorOf }, onFailed, () => this.#writerClosed());
    } catch (reason) {
      throw toWriteError(reason, this.name);
    }
  }

  async #openPartialFile(): Promise<number> {
    try {
      return await openPartial(this.#context, this.id, OPEN_PARTIAL_FLAGS);
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') throw reason;
      // Resuming can never succeed.
      const error = uploadNotFound(this.id, 'was removed from the disk of the server');
      this.#stop(error);
      this.#onEnded('gone');
      throw error;
    }
  }

  async #finish(expected: ExpectedContent): Promise<FileIdentity> {
    this.#requireOpen();
    await this.#commits.sync();
    const { spec, committed } = this.#journal.state;
    const declared = declaredContent(spec, expected);
    const size = checkCommitted(this.name, declared, committed, this.#mayLackBytes());
    await this.#endWriters();
    try {
      const file = await this.#partial.with(async (fd) => {
        await this.#trim(fd, size);
        if (declared.sha256 !== undefined) {
          checkSha256(this.name, declared.sha256, await this.#context.hash(fd, size));
        }
        return await this.#publish(fd, size, declared.sha256);
      });
      this.#onEnded('finished');
      return file;
    } catch (reason) {
      throw toWriteError(reason, this.name);
    }
  }

  /** Bytes they still hold must not get into the published file. */
  async #endWriters(): Promise<void> {
    const message = `the upload of ${quoteName(this.name)} is being finished by another call; ask for its state`;
    this.#writers.fail(new TransferError('TAKEN_OVER', message));
    await this.#writers.goodAgain();
    await this.#commits.stop();
  }

  /** Cuts off uncommitted bytes. */
  async #trim(fd: number, size: number): Promise<void> {
    const { fs, durability } = this.#context;
    const storedSize = Number((await fs.fstat(fd)).size);
    if (storedSize < size) {
      throw new TransferError('WRITE_FAILED', `stored bytes of ${quoteName(this.name)} are gone; start over`);
    }
    if (storedSize > size) await fs.ftruncate(fd, size);
    // An empty file was never synced before.
    if (storedSize > size || size === 0) await durability.data(fd);
  }

  /** `sha256` was checked, where it is given. */
  async #publish(fd: number, size: number, sha256: string | undefined): Promise<FileIdentity> {
    const { fs, logger, now, options, versions } = this.#context;
    let file: FileIdentity;
    let isNamed = false;
    try {
      await publish(this.#context, {
        journal: this.#journal,
        fd,
        size,
        onNamed: () => {
          isNamed = true;
        },
      });
      const look = entryStatsOf(await settledStats(fd, (opened) => fs.fstat(opened)));
      if (sha256 !== undefined) {
        const record = { name: this.name, identity: look.identity, sha256 };
        versions.digests.kept.set(record, options.sync !== 'none');
      }
      file = versions.identityOf(this.name, look);
    } catch (reason) {
      // The name exists, but may not be durable. Only a later process can find out: a second fsync would falsely succeed.
      if (isNamed) this.#stop(toWriteError(reason, this.name));
      throw reason;
    }
    this.#touchedMs = now();
    const known = sha256 === undefined ? {} : { sha256 };
    const record = { kind: 'finished', file, ...known, atMs: this.#touchedMs } as const;
    try {
      await this.#journal.append(record);
    } catch (reason) {
      // The file is durable, and the intent in the journal tells a later process.
      logger.warn({ err: reason, uploadId: this.id }, 'the end of an upload could not be journaled');
      this.#journal.state.apply(record);
    }
    return file;
  }

  async #discard(why: string): Promise<void> {
    if (this.isGone) return;
    const error = uploadNotFound(this.id, why);
    this.#writers.fail(error);
    await this.#commits.stop();
    try {
      await removeUploadFiles(this.#context, this.id);
    } catch (reason) {
      throw toWriteError(reason, this.name);
    }
    this.#stop(error);
    this.#onEnded('gone');
  }

  /** Whether bytes that were sent but never acknowledged may be lost. */
  #mayLackBytes(): boolean {
    return this.#isRecovered || this.#commits.hasFailed;
  }

  #stop(error: TransferError): void {
    this.#end ??= error;
    this.#writers.fail(error);
  }

  async #writerClosed(): Promise<void> {
    // Unsynced bytes of the last writer keep the descriptor open, whose next sync reports their loss.
    if (this.#writers.isEmpty && this.#end === undefined) void this.#commits.flush();
    this.asked();
    try {
      await this.#partial.release();
    } catch (reason) {
      // A failed close loses nothing: committed bytes were synced, and other bytes get their own sync.
      this.#context.logger.warn({ err: reason, uploadId: this.id }, 'closing a partial file failed');
    }
  }

  #requireOpen(): void {
    if (this.#journal.state.finished !== undefined) throw this.#isFinishedError();
    if (this.#end !== undefined) throw this.#end;
  }

  #isFinishedError(): TransferError {
    return uploadNotFound(this.id, 'is finished and accepts no more bytes');
  }
}
