/**
 * Makes written bytes durable from time to time, and only then records them: at
 * most one fdatasync at a time, in the background, while bytes keep coming.
 * A failed fdatasync is never retried, because the retry would falsely succeed.
 */
import type { FileHandle } from 'node:fs/promises';
import type { FileInfo } from '../../../wire/messages.ts';
import { MAX_RECORD_RANGES, RESUME_POINT_BYTES, RESUME_POINT_MS } from '../../limits.ts';
import type { TransferRequest } from '../options.ts';
import { removeResumeRecord, writeResumeRecord } from './resume-record.ts';
import type { WrittenRanges } from './written-ranges.ts';

export class ResumePoints {
  readonly #handle: FileHandle;
  readonly #recordPath: string;
  readonly #request: TransferRequest;
  readonly #written: WrittenRanges;
  readonly #onFailed: (cause: unknown) => void;
  #file: FileInfo | undefined;
  #recordedBytes: number;
  #lastPointAtMs = performance.now();
  #running: Promise<void> | undefined;
  #hasFailed = false;

  /** @param written what the record at `recordPath` names now; grows */
  constructor(
    handle: FileHandle,
    recordPath: string,
    request: TransferRequest,
    written: WrittenRanges,
    onFailed: (cause: unknown) => void,
  ) {
    this.#handle = handle;
    this.#recordPath = recordPath;
    this.#request = request;
    this.#written = written;
    this.#recordedBytes = written.bytes;
    this.#onFailed = onFailed;
  }

  /** The content that following points are about. Without a version there are none: nothing could be resumed safely. */
  begin(file: FileInfo): void {
    this.#file = file.version === '' ? undefined : file;
  }

  /** More bytes are written; starts a point when one is due. */
  note(): void {
    if (this.#running !== undefined || this.#file === undefined || this.#hasFailed) return;
    const isDue =
      this.#written.bytes - this.#recordedBytes >= RESUME_POINT_BYTES ||
      performance.now() - this.#lastPointAtMs >= RESUME_POINT_MS;
    if (isDue) this.#running = this.#make(this.#file);
  }

  /** Makes a last point for what is written, due or not. */
  async close(): Promise<void> {
    await this.settle();
    const { bytes } = this.#written;
    if (this.#file === undefined || this.#hasFailed || bytes === this.#recordedBytes || bytes === 0) return;
    await this.#make(this.#file);
  }

  /** Bytes were dropped: from now on no record names them. */
  async renew(): Promise<void> {
    await this.settle();
    if (this.#recordedBytes === 0 || this.#hasFailed) return;
    if (this.#file !== undefined && this.#written.bytes > 0) {
      this.#running = this.#make(this.#file);
      await this.#running;
    } else {
      await removeResumeRecord(this.#recordPath);
      this.#recordedBytes = 0;
    }
  }

  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #make(file: FileInfo): Promise<void> {
    try {
      const written = this.#written.all();
      await this.#handle.datasync();
      await writeResumeRecord(this.#recordPath, {
        format: 2,
        name: this.#request.name,
        start: this.#request.start,
        limit: this.#request.limit ?? null,
        version: file.version,
        sizeBytes: file.size,
        // copy: only what belongs into the record.
        ranges: [...written]
          .slice(0, MAX_RECORD_RANGES)
          .map(({ start, end, crc32 }) => ({ start, end, crc32 })),
      });
      this.#recordedBytes = written.bytes;
      this.#lastPointAtMs = performance.now();
    } catch (cause) {
      this.#hasFailed = true;
      this.#onFailed(cause);
    } finally {
      this.#running = undefined;
    }
  }
}
