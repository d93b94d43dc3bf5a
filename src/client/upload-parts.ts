/**
 * What of an upload is still to be sent: parts in order, taken by whoever sends
 * next. A part that failed comes back as what is missing of it.
 */
import type { Part } from '../wire/messages.ts';
import { MIN_PART_BYTES, PARTS_PER_CONNECTION } from './limits.ts';

/** A part being sent. */
export interface SendingPart {
  readonly start: number;
  /** Infinity for a stream of unknown size. */
  readonly end: number;
  /** Everything before it went to the network. */
  sentEnd: number;
}

export class UploadParts {
  readonly #waiting: Part[];
  readonly #sending = new Set<SendingPart>();

  constructor(missing: readonly Part[], partBytes = Number.POSITIVE_INFINITY) {
    this.#waiting = missing.flatMap((range) => [...pieces(range, partBytes)]);
  }

  /** The next part to send, if there is one. */
  take(): SendingPart | undefined {
    const next = this.#waiting.shift();
    if (next === undefined) return undefined;
    const part = { ...next, sentEnd: next.start };
    this.#sending.add(part);
    return part;
  }

  /** The part is over; `missing` of it has to be sent again. */
  settle(part: SendingPart, missing: readonly Part[] = []): void {
    this.#sending.delete(part);
    this.#waiting.unshift(...missing);
  }

  get count(): number {
    return this.#waiting.length + this.#sending.size;
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

/** The ranges of `[start, end)` that are not in `present`, which is ascending. */
export function missingRanges(present: readonly Part[], start: number, end: number): Part[] {
  const missing: Part[] = [];
  let at = start;
  for (const range of present) {
    if (range.end <= at) continue;
    if (range.start >= end) break;
    if (range.start > at) missing.push({ start: at, end: range.start });
    at = range.end;
  }
  if (at < end) missing.push({ start: at, end });
  return missing;
}

/** How long parts should be for so many connections. */
export function partBytesFor(sizeBytes: number, connections: number): number {
  if (connections === 1) return Number.POSITIVE_INFINITY;
  return Math.max(MIN_PART_BYTES, Math.ceil(sizeBytes / (connections * PARTS_PER_CONNECTION)));
}

function* pieces({ start, end }: Part, partBytes: number): Generator<Part> {
  for (let at = start; at < end; at += partBytes) yield { start: at, end: Math.min(end, at + partBytes) };
}
