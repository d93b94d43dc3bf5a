/**
 * The parts of a transfer still to be moved, taken in order. When none is left, an
 * idle connection takes half of the longest remaining part, so that all end at
 * about the same time whatever their rates. The missing rest of a part that
 * failed comes back.
 */
import type { ByteRange } from '../../base/ranges.ts';
import { MIB } from '../../base/units.ts';

/** A part being moved. */
export interface Part {
  readonly start: number;
  /** Infinity where the size is unknown. Shrinks, at most to `takenEnd`, when another connection takes the rest. */
  end: number;
  /** Everything before it is being moved, or was. */
  takenEnd: number;
  /** Everything before it has been moved. */
  readonly movedEnd: number;
}

export class Parts<Moving extends Part> {
  readonly #waiting: ByteRange[];
  readonly #moving = new Set<Moving>();
  readonly #leastBytes: number;
  readonly #begin: (range: ByteRange) => Moving;

  /**
   * @param leastBytes halves that are shorter are not worth a connection
   * @param begin makes the part that is moved of a range
   */
  constructor(missing: readonly ByteRange[], leastBytes: number, begin: (range: ByteRange) => Moving) {
    this.#waiting = [...missing];
    this.#leastBytes = leastBytes;
    this.#begin = begin;
  }

  /**
   * The next part to move, if there is one.
   *
   * @param leastBytes of a half for the connection that asks
   */
  take(leastBytes = this.#leastBytes): Moving | undefined {
    const next = this.#waiting.shift() ?? this.#half(leastBytes);
    if (next === undefined) return undefined;
    const part = this.#begin(next);
    this.#moving.add(part);
    return part;
  }

  /** Ends a part at the bytes taken; the rest goes to the next `take`. */
  cut(part: Moving): void {
    const { end, takenEnd } = part;
    if (takenEnd >= end) return;
    this.#waiting.unshift({ start: takenEnd, end });
    part.end = takenEnd;
  }

  /** The part is over; `missing` of it has to be moved again. */
  settle(part: Moving, missing: readonly ByteRange[] = []): void {
    this.#moving.delete(part);
    this.#waiting.unshift(...missing);
  }

  get count(): number {
    return this.#waiting.length + this.#moving.size;
  }

  /** Parts being moved. */
  get moving(): ReadonlySet<Part> {
    return this.#moving;
  }

  /** There is something for another connection to take, beside the first one's part. */
  get isDivisible(): boolean {
    const first = this.#moving.size === 0 ? 1 : 0;
    if (this.#waiting.length > first || this.#longest(this.#leastBytes) !== undefined) return true;
    return this.#waiting.some(({ start, end }) => isWorthHalving(end - start, this.#leastBytes));
  }

  /** Bytes that no one has moved. */
  get remainingBytes(): number {
    let bytes = 0;
    for (const { start, end } of this.#waiting) bytes += end - start;
    for (const { movedEnd, end } of this.#moving) bytes += end - movedEnd;
    return bytes;
  }

  /** How far the one part of a stream has been moved. */
  get movedEnd(): number {
    const [moving] = this.#moving;
    return moving?.movedEnd ?? this.#waiting[0]?.start ?? 0;
  }

  /** The second half of the longest remaining part, unless that is short. */
  #half(leastBytes: number): ByteRange | undefined {
    const longest = this.#longest(leastBytes);
    if (longest === undefined) return undefined;
    const { end, takenEnd } = longest;
    // Parts should not share pages of the file.
    longest.end = Math.floor((takenEnd + end) / 2 / MIB) * MIB;
    return { start: longest.end, end };
  }

  /** The part with the most left, if its halves are worth it. A stream of unknown length has no half. */
  #longest(leastBytes: number): Moving | undefined {
    let longest: Moving | undefined;
    for (const part of this.#moving) {
      if (longest === undefined || leftOf(part) > leftOf(longest)) longest = part;
    }
    return longest !== undefined && isWorthHalving(leftOf(longest), leastBytes) ? longest : undefined;
  }
}

function isWorthHalving(bytes: number, leastBytes: number): boolean {
  return Number.isFinite(bytes) && bytes >= 2 * leastBytes;
}

function leftOf({ end, takenEnd }: Part): number {
  return end - takenEnd;
}
