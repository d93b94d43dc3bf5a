/**
 * The CRC-32 of a whole content from those of its chunks, which come in any
 * order and may come twice: runs of bytes whose CRC-32 is known, side by side
 * and never overlapping. That holds because a chunk never crosses an edge of a
 * run: `chunkEnd` says where it has to stop.
 */
import { combineCrc32 } from '../../wire/crc32.ts';

/** The half-open range `[start, end)` of the content, and its CRC-32. */
interface Run {
  readonly start: number;
  end: number;
  crc32: number;
}

export class ContentCrc {
  /** Ascending. Few: neighbours become one run. */
  readonly #runs: Run[] = [];

  /** Where a chunk that starts at `offset` has to end, if it would go on to `end`. */
  chunkEnd(offset: number, end: number): number {
    for (const run of this.#runs) {
      if (run.end <= offset) continue;
      return Math.min(end, run.start <= offset ? run.end : run.start);
    }
    return end;
  }

  /** Notes a chunk; one whose bytes are known already changes nothing. */
  note(start: number, bytes: number, crc32: number): void {
    if (bytes === 0) return;
    const at = this.#indexAfter(start);
    const before = this.#runs[at - 1];
    if (before !== undefined && before.end > start) return;
    if (before?.end === start) {
      before.crc32 = combineCrc32(before.crc32, crc32, bytes);
      before.end += bytes;
      this.#joinNext(at - 1);
    } else {
      this.#runs.splice(at, 0, { start, end: start + bytes, crc32 });
      this.#joinNext(at);
    }
  }

  /** The first range below `size` that is not known, or undefined when all is. */
  gap(size: number): { start: number; end: number } | undefined {
    const [first, second] = this.#runs;
    if (first === undefined) return size === 0 ? undefined : { start: 0, end: size };
    if (first.start > 0) return { start: 0, end: Math.min(first.start, size) };
    return first.end >= size ? undefined : { start: first.end, end: Math.min(second?.start ?? size, size) };
  }

  /** The CRC-32 of the whole. Only without a gap. */
  get whole(): number {
    return this.#runs[0]?.crc32 ?? 0;
  }

  clear(): void {
    this.#runs.length = 0;
  }

  /** The index of the first run that starts behind `offset`. */
  #indexAfter(offset: number): number {
    const index = this.#runs.findIndex((run) => run.start > offset);
    return index < 0 ? this.#runs.length : index;
  }

  #joinNext(index: number): void {
    const run = this.#runs[index];
    const next = this.#runs[index + 1];
    if (run === undefined || next === undefined || run.end !== next.start) return;
    run.crc32 = combineCrc32(run.crc32, next.crc32, next.end - next.start);
    run.end = next.end;
    this.#runs.splice(index + 1, 1);
  }
}
