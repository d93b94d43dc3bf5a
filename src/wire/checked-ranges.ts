/**
 * Ranges of a file with the CRC-32 of each: ascending, without overlaps, merged
 * where they touch. Once one range is the whole file, its CRC-32 is known
 * without reading a byte again.
 */
import assert from 'node:assert/strict';
import { type ByteRange, missingRanges } from '../base/ranges.ts';
import { combineCrc32 } from './crc32.ts';

/** Bytes of a file, and their CRC-32. */
export interface CheckedRange extends ByteRange {
  readonly crc32: number;
}

interface Piece {
  start: number;
  end: number;
  crc32: number;
}

export class CheckedRanges implements Iterable<CheckedRange> {
  readonly #maxPieceBytes: number;
  readonly #pieces: Piece[] = [];
  #bytes = 0;

  /** Ranges that together have more than `maxPieceBytes` are not merged. */
  constructor(ranges: Iterable<CheckedRange> = [], maxPieceBytes = Number.POSITIVE_INFINITY) {
    this.#maxPieceBytes = maxPieceBytes;
    for (const range of ranges) this.add(range);
  }

  get count(): number {
    return this.#pieces.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The end of the last range; 0 without one. */
  get end(): number {
    return this.#pieces.at(-1)?.end ?? 0;
  }

  [Symbol.iterator](): Iterator<CheckedRange> {
    return this.#pieces.values();
  }

  /** Adds a range that overlaps none. */
  add({ start, end, crc32 }: CheckedRange): void {
    assert.ok(0 <= start && start < end, 'a range has bytes');
    const index = this.#indexBehind(start);
    const before = this.#pieces[index - 1];
    const after = this.#pieces[index];
    assert.ok(before === undefined || before.end <= start, 'ranges do not overlap');
    assert.ok(after === undefined || end <= after.start, 'ranges do not overlap');
    this.#bytes += end - start;
    const piece = this.#extend(before, start, end, crc32);
    if (piece === undefined) this.#pieces.splice(index, 0, { start, end, crc32 });
    const grown = piece ?? this.#pieces[index];
    if (grown === undefined || after === undefined) return;
    if (this.#extend(grown, after.start, after.end, after.crc32) === undefined) return;
    this.#pieces.splice(this.#pieces.indexOf(after, index), 1);
  }

  overlaps({ start, end }: ByteRange): boolean {
    const index = this.#indexBehind(start);
    const before = this.#pieces[index - 1];
    const after = this.#pieces[index];
    return (before !== undefined && before.end > start) || (after !== undefined && after.start < end);
  }

  /** Whether a range that begins at `offset` would touch one that is there. */
  touches(offset: number): boolean {
    const before = this.#pieces[this.#indexBehind(offset + 1) - 1];
    return before !== undefined && before.end >= offset;
  }

  /** The end of the range that `offset` lies in; `offset` itself where there is none. */
  endAt(offset: number): number {
    const before = this.#pieces[this.#indexBehind(offset + 1) - 1];
    return before !== undefined && before.end > offset ? before.end : offset;
  }

  /** What of `[start, end)` no range covers, ascending. */
  missing(start: number, end: number): ByteRange[] {
    return missingRanges(this.#pieces, start, end, Math.max(0, this.#indexBehind(start) - 1));
  }

  /** The CRC-32 of `[0, size)` when exactly these bytes are there. */
  crc32Of(size: number): number | undefined {
    if (size === 0) return this.count === 0 ? 0 : undefined;
    const [first] = this.#pieces;
    if (this.count !== 1 || first === undefined) return undefined;
    return first.start === 0 && first.end === size ? first.crc32 : undefined;
  }

  /** Appends a range to `piece` where the two touch and may be joined. */
  #extend(piece: Piece | undefined, start: number, end: number, crc32: number): Piece | undefined {
    if (piece === undefined || piece.end !== start || end - piece.start > this.#maxPieceBytes)
      return undefined;
    piece.crc32 = combineCrc32(piece.crc32, crc32, end - start);
    piece.end = end;
    return piece;
  }

  /** The index of the first piece that starts at `offset` or behind it. */
  #indexBehind(offset: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pieces[middle] as Piece).start < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
