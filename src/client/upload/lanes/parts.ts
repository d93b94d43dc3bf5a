/**
 * The parts of an upload still to be sent, taken in order. When none is left, an
 * idle connection takes half of the longest remaining part, so that all end at
 * about the same time whatever their rates. The missing rest of a part that
 * failed comes back.
 */
import type { ByteRange } from '../../../base/ranges.ts';
import { MIB } from '../../../base/units.ts';
import { MIN_PART_BYTES } from '../../limits.ts';

/** A part being sent. */
export interface SendingPart {
  readonly start: number;
  /** Infinity for a stream of unknown size. Shrinks, at most to `readEnd`, when another connection takes the rest. */
  end: number;
  /** Everything before it is being read, or was. */
  readEnd: number;
  /** Everything before it went to the network. */
  sentEnd: number;
}

export class UploadParts {
  readonly #waiting: ByteRange[];
  readonly #sending = new Set<SendingPart>();

  constructor(missing: readonly ByteRange[]) {
    this.#waiting = [...missing];
  }

  /** The next part to send, if there is one. */
  take(): SendingPart | undefined {
    const next = this.#waiting.shift() ?? this.#half();
    if (next === undefined) return undefined;
    const part = { ...next, readEnd: next.start, sentEnd: next.start };
    this.#sending.add(part);
    return part;
  }

  /** Ends a part at the bytes read; the rest goes to the next `take`. */
  cut(part: SendingPart): void {
    if (part.readEnd === part.end) return;
    this.#waiting.unshift({ start: part.readEnd, end: part.end });
    part.end = part.readEnd;
  }

  /** The part is over; `missing` of it has to be sent again. */
  settle(part: SendingPart, missing: readonly ByteRange[] = []): void {
    this.#sending.delete(part);
    this.#waiting.unshift(...missing);
  }

  get count(): number {
    return this.#waiting.length + this.#sending.size;
  }

  /** Whether there is anything for a second one to send. Before the first part is taken. */
  get isDivisible(): boolean {
    return this.#waiting.length > 1 || this.#waiting.some((part) => isWorthHalving(part.start, part.end));
  }

  /** The second half of the longest remaining part, unless that is short. */
  #half(): ByteRange | undefined {
    const left = ({ end, readEnd }: SendingPart) => end - readEnd;
    const [longest] = [...this.#sending].sort((a, b) => left(b) - left(a));
    if (longest === undefined || !isWorthHalving(longest.readEnd, longest.end)) return undefined;
    const { end, readEnd } = longest;
    // Parts should not share pages of the file.
    longest.end = Math.floor((readEnd + end) / 2 / MIB) * MIB;
    return { start: longest.end, end };
  }

  /** Bytes that no one has given to the network. */
  get remainingBytes(): number {
    let bytes = 0;
    for (const { start, end } of this.#waiting) bytes += end - start;
    for (const { sentEnd, end } of this.#sending) bytes += end - sentEnd;
    return bytes;
  }

  /** How far the one part of a stream has been sent. */
  get sentEnd(): number {
    const [sending] = this.#sending;
    return sending?.sentEnd ?? this.#waiting[0]?.start ?? 0;
  }
}

/** A stream of unknown length has no half. */
function isWorthHalving(start: number, end: number): boolean {
  return Number.isFinite(end) && end - start >= 2 * MIN_PART_BYTES;
}
