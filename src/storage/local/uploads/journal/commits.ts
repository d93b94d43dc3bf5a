/**
 * Takes an upload's bytes from written to committed: synced first, then
 * journalled, one batch at a time. After a failure the batch is forgotten, never
 * retried: after a failed fsync the kernel marks the pages clean, so a retry would
 * falsely succeed.
 */
import { GroupCommit } from '../../../../base/async/group-commit.ts';
import type { TransferError } from '../../../../base/errors.ts';
import { MIB } from '../../../../base/units.ts';
import { type CheckedRange, CheckedRanges } from '../../../../wire/checked-ranges.ts';
import type { RefCountedDescriptor } from '../disk/ref-counted-descriptor.ts';
import { toWriteError } from '../disk/write-error.ts';
import type { UploadContext } from '../options.ts';
import type { Journal } from './journal.ts';
import { durableRecord } from './journal-state.ts';

/** Ranges are journalled in pieces of this size, so that a recovery can check only the last ones. */
const MAX_PIECE_BYTES = 8 * MIB;

export class Commits {
  readonly #context: UploadContext;
  readonly #journal: Journal;
  readonly #partial: RefCountedDescriptor;
  readonly #onFailed: (error: TransferError) => void;
  readonly #runs = new GroupCommit(() => this.#commit());
  /** Committed or on the way to it. */
  #written: CheckedRanges;
  #unsynced = new CheckedRanges([], MAX_PIECE_BYTES);
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastFailure: TransferError | undefined;

  /** `onFailed` is called when bytes were forgotten. */
  constructor(
    context: UploadContext,
    journal: Journal,
    partial: RefCountedDescriptor,
    onFailed: (error: TransferError) => void,
  ) {
    this.#context = context;
    this.#journal = journal;
    this.#partial = partial;
    this.#onFailed = onFailed;
    this.#written = new CheckedRanges(journal.state.committed);
  }

  /** What is written, committed or not. */
  get written(): CheckedRanges {
    return this.#written;
  }

  /** Whether bytes were forgotten. */
  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  note(range: CheckedRange): void {
    this.#written.add(range);
    this.#unsynced.add(range);
    const { sync, syncBytes, syncIntervalMs } = this.#context.options;
    if (sync === 'always' || this.#unsynced.bytes >= syncBytes) {
      this.#commitUnasked();
    } else {
      this.#timer ??= setTimeout(() => this.#commitUnasked(), syncIntervalMs).unref();
    }
  }

  /** Commits what was noted until now. Throws TransferError when that, or a part of it, had to be forgotten. */
  async sync(): Promise<void> {
    const failuresBefore = this.#failures;
    await this.#runs.run();
    if (this.#failures > failuresBefore && this.#lastFailure !== undefined) throw this.#lastFailure;
  }

  /** As `sync` when there is something to commit, but never rejects: a failure is told by `onFailed` alone. */
  async flush(): Promise<void> {
    if (this.#unsynced.count === 0) return;
    try {
      await this.#partial.with(() => this.sync());
    } catch (reason) {
      this.#context.logger.debug(
        { err: reason, uploadId: this.#journal.id },
        'a commit after the last writer failed',
      );
    }
  }

  /** Forgets what is not committed. Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#forget();
    await this.#runs.idle();
  }

  #commitUnasked(): void {
    // The writers were told, and the failure was logged.
    this.sync().catch(() => undefined);
  }

  async #commit(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#unsynced;
    if (batch.count === 0) return;
    this.#unsynced = new CheckedRanges([], MAX_PIECE_BYTES);
    const { counters, durability, now } = this.#context;
    try {
      await this.#partial.with((fd) => durability.data(fd));
      await this.#journal.append(durableRecord(batch, durability.isOn, now()));
      counters.uploadCommits.add(1, 'committed');
    } catch (reason) {
      throw this.#fail(reason);
    }
  }

  #fail(reason: unknown): TransferError {
    const error = toWriteError(reason, this.#journal.state.spec.name);
    this.#context.logger.warn({ err: reason, uploadId: this.#journal.id }, 'written bytes were lost');
    this.#failures += 1;
    this.#context.counters.uploadCommits.add(1, 'lost');
    this.#lastFailure = error;
    this.#forget();
    this.#onFailed(error);
    return error;
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#unsynced = new CheckedRanges([], MAX_PIECE_BYTES);
    this.#written = new CheckedRanges(this.#journal.state.committed);
  }
}
