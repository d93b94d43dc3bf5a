/**
 * The end of a download, when a connection has nothing left to take: which of the
 * others keeps it waiting, because that one is much slower or stands still. Logic only.
 */
import type { Position } from './position.ts';

/** Rates over less time are noise. */
const MEASURE_MS = 1000;

/** What a change of the connection costs: a round trip, slow start, what was in flight. */
const CHANGE_MS = 1000;

export interface Fetching {
  /** Undefined while it is not the network that it waits for. */
  readonly fetched: Position | undefined;
}

/** For one wait of one connection. */
export class Stragglers<Kind extends Fetching> {
  readonly #since = new Map<Position, { readonly offset: number; readonly atMs: number }>();

  /**
   * One of `others` whose range would be there in half of the time over a connection that brings
   * `bytesPerMs`. Ask several times a second.
   */
  find(others: Iterable<Kind>, bytesPerMs: number, nowMs: number): Kind | undefined {
    for (const other of others) {
      const { fetched } = other;
      if (
        fetched !== undefined &&
        this.#leftMs(fetched, nowMs) > 2 * (CHANGE_MS + leftBytes(fetched) / bytesPerMs)
      )
        return other;
    }
    return undefined;
  }

  /** By what has come since it was last measured; NaN until that is known. */
  #leftMs(position: Position, nowMs: number): number {
    const { offset } = position;
    const since = this.#since.get(position);
    if (since !== undefined && nowMs - since.atMs < MEASURE_MS) return Number.NaN;
    this.#since.set(position, { offset, atMs: nowMs });
    if (since === undefined) return Number.NaN;
    return leftBytes(position) / ((offset - since.offset) / (nowMs - since.atMs));
  }
}

/** Not zero: the answer that all is well is to come, too. */
function leftBytes({ end, offset }: Position): number {
  return end - offset + 1;
}
