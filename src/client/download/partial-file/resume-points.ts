/**
 * Makes written bytes durable from time to time, and only then records them: at
 * most one fdatasync at a time, in the background, while bytes keep coming.
 * A failed fdatasync is never retried, because the retry would falsely succeed.
 */
import type { FileHandle } from 'node:fs/promises';
import type { FileInfo } from '../../../wire/messages.ts';
import { RESUME_POINT_BYTES, RESUME_POINT_MS } from '../../limits.ts';
import type { TransferRequest } from '../options.ts';
import { removeResumeRecord, writeResumeRecord } from './resume-record.ts';

export class ResumePoints {
  readonly #handle: FileHandle;
  readonly #recordPath: string;
  readonly #request: TransferRequest;
  readonly #onFailed: (cause: unknown) => void;
  #file: FileInfo | undefined;
  #recordedBytes: number;
  #lastPointAtMs = performance.now();
  #running: Promise<void> | undefined;
  #hasFailed = false;

  constructor(
    handle: FileHandle,
    recordPath: string,
    request: TransferRequest,
    recordedBytes: number,
    onFailed: (cause: unknown) => void,
  ) {
    this.#handle = handle;
    this.#recordPath = recordPath;
    this.#request = request;
    this.#recordedBytes = recordedBytes;
    this.#onFailed = onFailed;
  }

  /** The content that following points are about. Without a version there are none: nothing could be resumed safely. */
  begin(file: FileInfo): void {
    this.#file = file.version === '' ? undefined : file;
  }

  /** The first `bytes` bytes are written; starts a point when one is due. */
  note(bytes: number, crc32: number): void {
    if (this.#running !== undefined || this.#file === undefined || this.#hasFailed) return;
    const isDue =
      bytes - this.#recordedBytes >= RESUME_POINT_BYTES ||
      performance.now() - this.#lastPointAtMs >= RESUME_POINT_MS;
    if (isDue) this.#running = this.#make(bytes, crc32, this.#file);
  }

  /** Makes a last point for what is written, due or not. */
  async close(bytes: number, crc32: number): Promise<void> {
    await this.#running;
    if (this.#file === undefined || this.#hasFailed || bytes === this.#recordedBytes || bytes === 0) return;
    await this.#make(bytes, crc32, this.#file);
  }

  /** Nothing is running, and no record promises more than the first `bytes` bytes. */
  async rewind(bytes: number): Promise<void> {
    await this.#running;
    if (this.#recordedBytes <= bytes) return;
    await removeResumeRecord(this.#recordPath);
    this.#recordedBytes = 0;
  }

  async settle(): Promise<void> {
    await this.#running;
  }

  async #make(bytes: number, crc32: number, file: FileInfo): Promise<void> {
    try {
      await this.#handle.datasync();
      await writeResumeRecord(this.#recordPath, {
        format: 1,
        name: this.#request.name,
        start: this.#request.start,
        limit: this.#request.limit ?? null,
        version: file.version,
        sizeBytes: file.size,
        durableBytes: bytes,
        crc32,
      });
      this.#recordedBytes = bytes;
      this.#lastPointAtMs = performance.now();
    } catch (cause) {
      this.#hasFailed = true;
      this.#onFailed(cause);
    } finally {
      this.#running = undefined;
    }
  }
}
