/**
 * How far one transfer has come, and which content it is pinned to. Shared by
 * the transfer, which resumes from here, and the attempt that moves it.
 */
import { TransferError } from '../../base/errors.ts';
import { combineCrc32 } from '../../wire/crc32.ts';
import type { FileInfo } from '../../wire/messages.ts';
import { checkReceivedFile } from '../wire-size.ts';
import type { TransferRequest } from './options.ts';

/** A position to rewind to. */
export interface Mark {
  readonly offset: number;
  readonly crc32: number;
}

export class Position {
  readonly request: TransferRequest;
  /** Offset in the file of the next byte. */
  offset: number;
  /** CRC-32 of [request.start, offset), where it is computed. */
  crc32 = 0;
  /** The content pinned to: undefined before the first answer. */
  file: FileInfo | undefined;
  /** Ask for this version; empty for any. */
  ifMatch: string;
  /** The server sends no details: only lengths can be checked. */
  isPlain = false;

  constructor(request: TransferRequest) {
    this.request = request;
    this.offset = request.start;
    this.ifMatch = request.ifMatch;
  }

  /** Offset after the last byte of the range; undefined before the first answer. */
  get end(): number | undefined {
    const { start, limit } = this.request;
    if (this.file === undefined) return undefined;
    return limit === undefined ? this.file.size : Math.min(this.file.size, start + limit);
  }

  get receivedBytes(): number {
    return this.offset - this.request.start;
  }

  /** What is still to come of the range's limit; undefined without one. */
  get remainingLimit(): number | undefined {
    const { start, limit } = this.request;
    return limit === undefined ? undefined : start + limit - this.offset;
  }

  /**
   * Pins the transfer to the file that the server named, or compares the file
   * with the pin. Throws VERSION_MISMATCH, FILE_CHANGED or PROTOCOL_ERROR.
   *
   * @param isPlain the size is all that is known
   */
  pin(file: FileInfo, isPlain: boolean): void {
    checkReceivedFile(file);
    if (this.ifMatch !== '' && file.version !== this.ifMatch) {
      throw new TransferError(
        'VERSION_MISMATCH',
        `${file.name} has version ${JSON.stringify(file.version)}, not ${JSON.stringify(this.ifMatch)}`,
        { version: file.version },
      );
    }
    if (this.file !== undefined && this.file.size !== file.size) {
      throw new TransferError(
        isPlain ? 'FILE_CHANGED' : 'PROTOCOL_ERROR',
        `${file.name} had ${this.file.size} bytes and now has ${file.size}`,
        { version: file.version },
      );
    }
    if (this.offset > file.size) {
      throw new TransferError(
        'OUT_OF_RANGE',
        `${file.name} has ${file.size} bytes, less than ${this.offset}`,
      );
    }
    this.file = file;
    this.isPlain = isPlain;
    this.ifMatch = file.version;
  }

  advance(bytes: number, crc: number): void {
    this.offset += bytes;
    this.crc32 = combineCrc32(this.crc32, crc, bytes);
  }

  mark(): Mark {
    return { offset: this.offset, crc32: this.crc32 };
  }

  rewind(mark: Mark): void {
    this.offset = mark.offset;
    this.crc32 = mark.crc32;
  }

  /** Back to the start, for whatever version there is now. */
  restart(): void {
    this.offset = this.request.start;
    this.crc32 = 0;
    this.file = undefined;
    this.ifMatch = this.request.ifMatch;
  }
}
