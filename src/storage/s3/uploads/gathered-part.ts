/** A part in memory: bytes come in any order until it is full; then it does not change any more. */
import { copyBytes } from '../../../base/copy-bytes.ts';
import type { ByteRange } from '../../../base/ranges.ts';
import type { CheckedRange } from '../../../wire/checked-ranges.ts';
import { crc32 } from '../../../wire/crc32.ts';

export class GatheredPart {
  /** From 0 on. */
  readonly index: number;
  readonly start: number;
  /** Where it ends in a file that is long enough. */
  readonly end: number;
  /** While it is being sent to the store; never rejects. */
  storing: Promise<void> | undefined;
  /** It was given up while it was being sent. */
  isDropped = false;
  /** Its memory, whatever of it is filled. */
  readonly buffer: Buffer;
  #filled: ByteRange[] = [];

  /** @param buffer as large as the part; its own from now on */
  constructor(index: number, { start, end }: ByteRange, buffer: Buffer) {
    this.index = index;
    this.start = start;
    this.end = end;
    this.buffer = buffer;
  }

  get isFull(): boolean {
    return this.isFilledTo(this.end);
  }

  /** What has come, ascending. */
  get filled(): readonly ByteRange[] {
    return this.#filled;
  }

  isFilledTo(end: number): boolean {
    const [first] = this.#filled;
    return first?.start === this.start && first.end >= end;
  }

  /** `offset` is that of the file. The bytes lie within the part, which is not full. */
  put(bytes: Uint8Array, offset: number): void {
    copyBytes(bytes, this.buffer, offset - this.start); // copy: the slab goes back, the part is not whole yet
    const range = { start: offset, end: offset + bytes.length };
    const others = this.#filled.filter(({ start, end }) => end < range.start || start > range.end);
    const touching = this.#filled.filter((each) => !others.includes(each));
    const start = Math.min(range.start, ...touching.map((each) => each.start));
    const end = Math.max(range.end, ...touching.map((each) => each.end));
    this.#filled = [...others, { start, end }].sort((a, b) => a.start - b.start);
  }

  /** Of the file, up to `end`. */
  bytesTo(end: number): Buffer {
    return this.buffer.subarray(0, end - this.start);
  }

  checked(): CheckedRange[] {
    return this.#filled.map(({ start, end }) => ({
      start,
      end,
      crc32: crc32(this.buffer.subarray(start - this.start, end - this.start)),
    }));
  }
}
