/**
 * How far one range of a transfer has come. Shared by who resumes from here, and
 * the attempt that moves it.
 */
import type { ByteRange } from '../../base/ranges.ts';
import { combineCrc32 } from '../../wire/crc32.ts';
import type { FileInfo } from '../../wire/messages.ts';
import type { Part } from '../lanes/parts.ts';
import type { TransferRequest } from './options.ts';
import { PinnedContent } from './pinned-content.ts';

/** A position to rewind to. */
export interface Mark {
  readonly offset: number;
  readonly crc32: number;
}

export class Position implements Part {
  readonly request: TransferRequest;
  readonly content: PinnedContent;
  readonly start: number;
  /** Offset in the file of the next byte. */
  offset: number;
  /** CRC-32 of [start, offset), where it is computed. */
  crc32 = 0;
  /** Everything before it has arrived. */
  takenEnd: number;
  /** Infinity: up to the end of the file. */
  #limitEnd: number;

  /** @param range of the request; default: the whole */
  constructor(
    request: TransferRequest,
    content = new PinnedContent(request.ifMatch),
    range = requestedRange(request),
  ) {
    this.request = request;
    this.content = content;
    this.start = range.start;
    this.offset = range.start;
    this.takenEnd = range.start;
    this.#limitEnd = range.end;
  }

  /** As `PinnedContent.file`. */
  get file(): FileInfo | undefined {
    return this.content.file;
  }

  /** As `PinnedContent.isPlain`. */
  get isPlain(): boolean {
    return this.content.isPlain;
  }

  /** Offset after the last byte of the range; may be Infinity before the first answer. */
  get end(): number {
    return Math.min(this.#limitEnd, this.content.file?.size ?? Number.POSITIVE_INFINITY);
  }

  /** Another lane takes what is behind it. */
  set end(offset: number) {
    this.#limitEnd = offset;
  }

  get movedEnd(): number {
    return this.offset;
  }

  get receivedBytes(): number {
    return this.offset - this.start;
  }

  /** What is still to come. */
  get rest(): ByteRange {
    return { start: this.offset, end: this.#limitEnd };
  }

  /** What is still to come of the range's limit; undefined without one. */
  get remainingLimit(): number | undefined {
    return this.#limitEnd === Number.POSITIVE_INFINITY ? undefined : this.#limitEnd - this.offset;
  }

  /** As `PinnedContent.pin`, for a file that goes on to here at least. */
  pin(file: FileInfo, isPlain: boolean): void {
    this.content.pin(file, isPlain, this.offset);
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
    this.takenEnd = mark.offset;
    this.crc32 = mark.crc32;
  }
}

/** Up to Infinity where the request has no limit. */
export function requestedRange({ limit, start }: TransferRequest): ByteRange {
  return { start, end: limit === undefined ? Number.POSITIVE_INFINITY : start + limit };
}
