/**
 * The CRC-32 of a whole content from those of its chunks, which come in any
 * order and may come twice. A chunk never crosses the edge of a known range:
 * `chunkEnd` says where to stop.
 */
import type { ByteRange } from '../../base/ranges.ts';
import { CheckedRanges } from '../../wire/checked-ranges.ts';

export class ContentCrc {
  #known = new CheckedRanges();

  /** Where a chunk that starts at `offset` has to end, if it would go on to `end`. */
  chunkEnd(offset: number, end: number): number {
    const [gap] = this.#known.missing(offset, end);
    if (gap === undefined) return end;
    return gap.start > offset ? gap.start : gap.end;
  }

  /** Notes a chunk; one whose bytes are known already changes nothing. */
  note(start: number, bytes: number, crc32: number): void {
    const range = { start, end: start + bytes, crc32 };
    if (bytes > 0 && !this.#known.overlaps(range)) this.#known.add(range);
  }

  /** The first range below `size` that is not known, or undefined when all is. */
  gap(size: number): ByteRange | undefined {
    return this.#known.missing(0, size)[0];
  }

  /** The CRC-32 of the whole. Only without a gap. */
  get whole(): number {
    return this.#known.crc32Of(this.#known.end) ?? 0;
  }

  clear(): void {
    this.#known = new CheckedRanges();
  }
}
