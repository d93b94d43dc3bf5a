/**
 * What of one download has been received, and what is still to come: shared by
 * its lanes. Every byte is in exactly one place: received, with a lane, or
 * waiting for one.
 */
import { type CheckedRange, CheckedRanges } from '../../wire/checked-ranges.ts';
import type { MovedBytes } from '../lanes/growth.ts';
import { Parts } from '../lanes/parts.ts';
import { MIN_STRIPE_BYTES } from '../limits.ts';
import type { TransferRequest } from './options.ts';
import { PinnedContent } from './pinned-content.ts';
import { Position, requestedRange } from './position.ts';

export class DownloadRanges {
  readonly request: TransferRequest;
  readonly content: PinnedContent;
  #received = new CheckedRanges();
  #parts: Parts<Position>;
  #complete = new AbortController();

  constructor(request: TransferRequest) {
    this.request = request;
    this.content = new PinnedContent(request.ifMatch);
    this.#parts = this.#lacking(Number.POSITIVE_INFINITY);
  }

  /** An earlier run has left these ranges of a version of so many bytes. Before anything is taken. */
  resume(version: string, sizeBytes: number, ranges: Iterable<CheckedRange>): void {
    this.content.resume(version, sizeBytes);
    this.#received = new CheckedRanges(ranges);
    this.#parts = this.#lacking(sizeBytes);
  }

  /** As `Parts.take`. */
  take(leastBytes: number): Position | undefined {
    return this.#parts.take(leastBytes);
  }

  /** All of the range is there. */
  settle(position: Position): void {
    this.#keep(position);
    this.#parts.settle(position);
    if (this.count === 0) this.#complete.abort();
  }

  /** The rest of the range, though it may be empty, is for whoever takes it. */
  giveBack(position: Position): void {
    this.#keep(position);
    this.#parts.settle(position, [position.rest]);
  }

  /** The range ends at what has arrived; the rest is for whoever takes it. */
  cut(position: Position): void {
    this.#parts.cut(position);
  }

  /** Aborted when all is there. */
  get complete(): AbortSignal {
    return this.#complete.signal;
  }

  /** Ranges that wait, or are with a lane. */
  get count(): number {
    return this.#parts.count;
  }

  /** A range is with a lane. */
  get areMoving(): boolean {
    return this.#parts.moving.size > 0;
  }

  /** There is something for another lane, and it can be sure to get the same version. */
  get isDivisible(): boolean {
    return this.content.ifMatch !== '' && this.#parts.isDivisible;
  }

  /** Offset after the last byte of the download; undefined before the first answer. */
  get end(): number | undefined {
    const { file } = this.content;
    return file === undefined ? undefined : Math.min(file.size, requestedRange(this.request).end);
  }

  /** Bytes of the request; undefined before the first answer. */
  get sizeBytes(): number | undefined {
    return this.end === undefined ? undefined : this.end - this.request.start;
  }

  get receivedBytes(): number {
    let bytes = this.#received.bytes;
    for (const { movedEnd, start } of this.#parts.moving) bytes += movedEnd - start;
    return bytes;
  }

  /** What growth decides by. */
  get moved(): MovedBytes {
    const movedBytes = this.receivedBytes;
    return { movedBytes, leftBytes: (this.sizeBytes ?? 0) - movedBytes };
  }

  /** CRC-32 of everything, where it is computed. Only when all is there. */
  get crc32(): number {
    const [whole] = this.#received;
    return whole?.crc32 ?? 0;
  }

  /** Back to the start, for whatever version there is now. While no lane has a range. */
  restart(): void {
    this.content.restart(this.request.ifMatch);
    this.#received = new CheckedRanges();
    this.#parts = this.#lacking(Number.POSITIVE_INFINITY);
  }

  #keep({ crc32, offset: end, start }: Position): void {
    if (end > start) this.#received.add({ start, end, crc32 });
  }

  #lacking(sizeBytes: number): Parts<Position> {
    const { request } = this;
    const { start, end: limitEnd } = requestedRange(request);
    const end = Math.min(limitEnd, sizeBytes);
    const missing = this.#received.missing(start, end);
    // An empty range has the version checked.
    if (missing.length === 0) missing.push({ start: Math.max(start, end), end: Math.max(start, end) });
    return new Parts(missing, MIN_STRIPE_BYTES, (range) => new Position(request, this.content, range));
  }
}
