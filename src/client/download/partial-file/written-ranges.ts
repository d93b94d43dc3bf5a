/**
 * Which bytes of a partial file were written, and their CRC-32: finished ranges, and
 * a run for each call that is bringing bytes. A run stays apart until its call is
 * over, because then all of it is kept, or nothing. Offsets are in the partial file.
 */
import { type CheckedRange, CheckedRanges } from '../../../wire/checked-ranges.ts';
import { combineCrc32 } from '../../../wire/crc32.ts';

/** The bytes of one call, written in order. */
export class WrittenRun {
  readonly start: number;
  /** Everything of it before this was written; always the end of a chunk. */
  end: number;
  /** Of the written bytes. */
  crc32 = 0;
  /** Bytes that wait to be written. */
  queuedBytes = 0;
  /** No more bytes come. */
  isClosed = false;

  constructor(start: number) {
    this.start = start;
    this.end = start;
  }

  /** The next bytes were written. */
  wrote(bytes: number, crc32: number): void {
    this.end += bytes;
    this.queuedBytes -= bytes;
    this.crc32 = combineCrc32(this.crc32, crc32, bytes);
  }
}

export class WrittenRanges {
  #finished: CheckedRanges;
  readonly #runs = new Set<WrittenRun>();

  constructor(ranges: Iterable<CheckedRange>) {
    this.#finished = new CheckedRanges(ranges);
  }

  /** For the bytes of a call from `start` on, where nothing is yet. */
  open(start: number): WrittenRun {
    this.#finishRuns();
    const run = new WrittenRun(start);
    this.#runs.add(run);
    return run;
  }

  /** Forgets what was written of a run, and what is still to be. */
  drop(run: WrittenRun): void {
    this.#runs.delete(run);
  }

  clear(): void {
    this.#finished = new CheckedRanges();
    this.#runs.clear();
  }

  /** Behind the last written byte. */
  get end(): number {
    let { end } = this.#finished;
    for (const run of this.#runs) if (run.end > run.start) end = Math.max(end, run.end);
    return end;
  }

  get bytes(): number {
    let bytes = this.#finished.bytes;
    for (const { start, end } of this.#runs) bytes += end - start;
    return bytes;
  }

  /** All that was written, in order. */
  all(): CheckedRanges {
    this.#finishRuns();
    const all = new CheckedRanges(this.#finished);
    for (const run of this.#runs) if (run.end > run.start) all.add(run);
    return all;
  }

  #finishRuns(): void {
    for (const run of this.#runs) {
      if (!run.isClosed || run.queuedBytes > 0) continue;
      this.#runs.delete(run);
      if (run.end > run.start) this.#finished.add(run);
    }
  }
}
