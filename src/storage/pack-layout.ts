/**
 * Where in a pack its files are.
 *
 *   start                    start
 *   | byte | content        | byte | content | …
 */
import type { PackedFile } from './store.ts';

export class PackLayout {
  /** Bytes in all. */
  readonly size: number;
  readonly #starts: number[] = [];

  constructor(files: readonly PackedFile[]) {
    let start = 0;
    for (const { size } of files) {
      this.#starts.push(start);
      start += 1 + size;
    }
    this.size = start;
  }

  /** How many files have a part of the `bytes` bytes from `offset` on, which are at least one. */
  filesIn(offset: number, bytes: number): number {
    return this.fileAt(offset + bytes - 1) - this.fileAt(offset) + 1;
  }

  /** Where the leading byte of a file is. */
  startOf(file: number): number {
    return this.#starts[file] as number;
  }

  /** Index of the file that has the byte at `offset`. */
  fileAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.startOf(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
