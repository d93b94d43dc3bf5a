/**
 * The seam to storage for writers: resumable uploads, deletes and new directories. What stands
 * behind it keeps every promise about durability; nothing above knows how.
 *
 * The life of an upload:
 *
 *   start ──▶ open ──finish──▶ finished ──expiry──▶ gone
 *               └──abort, expiry──▶ gone
 *
 * Invariants: the committed size never decreases while the upload lives. The
 * file appears under its name only by `finish`, whole. An upload survives the
 * death of the process at any moment; it then has at least what was committed.
 */

import type { TransferError } from '../base/errors.ts';
import type { ByteRange } from '../base/ranges.ts';
import type { CheckedRange } from '../wire/checked-ranges.ts';
import type { ByteSink } from './byte-source.ts';
import type { PackJobs } from './pack-jobs.ts';
import type { FileIdentity } from './store.ts';

/** What must be under the name when an upload is finished, or a file deleted. */
export type WriteCondition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'any' }
  | { readonly kind: 'version'; readonly version: string };

/** What is known of the whole; what is given is checked before the file gets its name. */
export interface ExpectedContent {
  /** Bytes. */
  readonly size?: number;
  readonly crc32?: number;
  /** 32 bytes. */
  readonly sha256?: Uint8Array;
}

/** What an upload is started with. */
export interface UploadSpec {
  /** Chosen by the client; without it the store chooses one. */
  readonly id?: string;
  /** The file that it becomes. */
  readonly name: string;
  readonly expected: ExpectedContent;
  readonly condition: WriteCondition;
  /** What the file gets as its time of change, in milliseconds since the epoch. Default: when it was written. */
  readonly modifiedMs?: number;
  /** Of these permission bits the file gets those of 0777. Default: those of what it replaces, or of any new file. */
  readonly mode?: number;
  /** The name of the identity that begins it; the store remembers it, as long as it does the upload. */
  readonly owner?: string;
}

/** How far an upload is. */
export interface UploadState {
  /** The size of the durable part that begins at 0. */
  readonly committedSize: number;
  /** All durable ranges, ascending, with gaps between them. */
  readonly parts: readonly ByteRange[];
  /** Bytes, where the client has said. */
  readonly expectedSize: number | undefined;
  /** What the file is, once the upload is finished. */
  readonly file: FileIdentity | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresMs: number;
}

/** The right to write to an upload's bytes. */
export interface UploadWriter {
  /** Where they go, until `close`. */
  readonly sink: ByteSink;
  /** Closes once, after the last write has ended; safe to call twice. */
  close(): Promise<void>;
}

/** An upload that was started; see the top of this file for its life. Several calls may use it at once. */
export interface Upload {
  readonly id: string;
  readonly name: string;
  /** That of its spec. Default: nobody's, and only callers without an identity get to it. */
  readonly owner?: string | undefined;
  /** Bytes, where the client has said. */
  readonly expectedSize: number | undefined;
  /** How many streams may carry parts of it at once without taking it away from each other. Default: any number. */
  readonly maxStreams?: number | undefined;
  /** As it is now, without waiting for anything. */
  state(): UploadState;
  /**
   * Waits until writers that failed have closed.
   *
   * @param onFailed called at most once, when bytes that were written cannot be made durable, the
   *   upload is being finished, was aborted or has expired: the writer must stop and close. Nothing is
   *   committed from then on.
   * @throws TransferError UPLOAD_NOT_FOUND, DISK_FULL, RESOURCE_EXHAUSTED, READ_ONLY, WRITE_FAILED
   */
  openWriter(onFailed: (error: Error) => void): Promise<UploadWriter>;
  /**
   * What of `[start, end)` is not written yet, ascending. The rest is there, durable or not, and
   * checked: a sender's bytes for it may be skipped.
   */
  missing(start: number, end: number): ByteRange[];
  /**
   * Whether `bytes` more bytes at `offset` are acceptable.
   *
   * @throws TransferError TOO_LARGE (limit of a file), CONTENT_MISMATCH (beyond the declared size),
   *   DISK_FULL (limit of all uploads, free space), RESOURCE_EXHAUSTED (too many separate parts)
   */
  checkQuota(offset: number, bytes: number): void;
  /** Notes that bytes were written and are as they were sent. They are made durable by the sync policy. */
  written(range: CheckedRange): void;
  /** Makes everything noted until now durable. Throws WRITE_FAILED, DISK_FULL; never tried again on the same bytes. */
  sync(): Promise<void>;
  /**
   * Checks length and checksums, makes the file durable and gives it its name. Once it has succeeded,
   * every further call that declares the same content, or nothing, has the same result.
   *
   * The caller has closed its own writer; others are told to stop, and waited for. A size must be known,
   * from the start or from `expected`, for an upload of an earlier process or one that had a failure:
   * bytes that were sent may be gone.
   *
   * @throws TransferError CONTENT_MISMATCH (the upload stays as it is), ALREADY_EXISTS, VERSION_MISMATCH,
   *   NOT_A_FILE (the name is a directory), WRITE_FAILED, DISK_FULL, PERMISSION_DENIED, UPLOAD_NOT_FOUND
   */
  finish(expected: ExpectedContent): Promise<FileIdentity>;
  /** Discards it; OK when it is gone already. Throws INVALID_ARGUMENT when it is finished: delete the file instead. */
  abort(): Promise<void>;
}

/** A small file that is written whole, as one of a pack. */
export interface PackFile extends Pick<UploadSpec, 'name' | 'condition' | 'mode' | 'modifiedMs'> {
  /** Bytes of the pack's content, behind those of the file before. */
  readonly size: number;
}

/** The file is there, durable, and has this version; or why it is not. */
export type WriteOutcome = { readonly version: string } | TransferError;

/** An unfinished upload, as far as is known without reading anything. */
export interface OpenUpload {
  readonly id: string;
  /** Undefined for one of an earlier process that nobody has asked for. */
  readonly name?: string | undefined;
  /** Whose share it takes; undefined for one of an earlier process that no identity began. */
  readonly owner?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedMs?: number | undefined;
  readonly touchedMs: number;
  readonly receivedSize: number;
  readonly committedSize: number;
  readonly expectedSize?: number | undefined;
  readonly expiresMs: number;
  readonly isBusy: boolean;
}

/** All methods throw `TransferError`; besides what is listed: INVALID_NAME, READ_ONLY. */
export interface UploadStore {
  /**
   * With a known id and the same spec: the upload started before, finished or not.
   *
   * @param share whose share of the unfinished uploads it takes; without one it is alone in its own
   * @throws ALREADY_EXISTS, VERSION_MISMATCH, NOT_A_FILE where that is plain already; TOO_LARGE, DISK_FULL,
   *   RESOURCE_EXHAUSTED (too many uploads); INVALID_ARGUMENT (an id that is none, or that of another upload)
   */
  start(spec: UploadSpec, share?: string | null): Promise<Upload>;
  /** An upload of this or an earlier process. Throws UPLOAD_NOT_FOUND, also for an id that no server ever gave out. */
  find(id: string): Promise<Upload>;
  /**
   * Writes small files, each of them whole or not at all, and all of them durable before the result. The
   * outcomes are in the order of the files; the reason of one that failed is any that a single upload has.
   *
   * @param jobs has the content, and the threads that write it; not used any more once this settles
   * @throws what concerns all of them: CHECKSUM_MISMATCH (the content is not what was sent), DISK_FULL,
   *   RESOURCE_EXHAUSTED (too many uploads). No file is there then that was not acknowledged, or it is whole.
   */
  writePack(files: readonly PackFile[], jobs: PackJobs, share?: string | null): Promise<WriteOutcome[]>;
  /** Removes a file, durably. Throws NOT_FOUND, NOT_A_FILE, VERSION_MISMATCH. */
  delete(name: string, condition: WriteCondition): Promise<void>;
  /** Removes an empty directory, durably. Throws NOT_FOUND, NOT_A_FILE (it is no directory), NOT_EMPTY. */
  deleteDirectory(name: string): Promise<void>;
  /**
   * Makes a directory and those above it, durably; OK when it is there already. Only a new one gets the
   * bits of 0777 of `mode`. Throws NOT_A_FILE when something else is there, or on the way.
   */
  makeDirectory(name: string, mode?: number): Promise<void>;
  /** The unfinished uploads, for operators and limits; a store without it shows none. */
  openUploads?(): readonly OpenUpload[];
  /** Resolves when `openUploads` has those of earlier processes, too; a store without it has them at once. */
  allKnown?(): Promise<void>;
  /** Makes open uploads durable and lets go of them; they can be resumed by a later process. */
  close(): Promise<void>;
}
