/**
 * What one owner of streams may use of the engine, however many streams it has:
 * a weight among other owners, and a rate. An owner is an identity or an address.
 *
 * Invariant: bytes that have moved are charged when they move, so a rate is kept
 * over any time but the first `BURST_MS`.
 */

/** The result of a turn. 'reading': a read of the store began, which keeps no thread busy; its job follows. */
export type JobStart = 'posted' | 'reading';

export interface Schedulable {
  /** Bytes this one may still take in its turn; owned by the scheduler. */
  deficitBytes: number;
  /** Whether it waits for a turn; owned by the scheduler. */
  isQueued: boolean;
  /** Whose it is. */
  readonly share: Share;
  /** Decides what the next job is, and returns its price in bytes; 0 when none is wanted now, or `NO_SLAB` of the scheduler. */
  planJob(): number;
  /** Begins the job that was planned just now. */
  startJob(): JobStart;
}

export interface ShareOptions {
  /** Its part of what is shared, beside the weights of others. Default 1. */
  weight?: number;
  /** Bytes a second on the wire, both directions together. Default: no limit. */
  bytesPerSec?: number;
}

/** How far ahead of its rate an owner may be: the length of a pause that nobody notices. */
const BURST_MS = 100;

export class Share {
  /** Bytes it may still take in its turn, or owes; owned by the scheduler. */
  deficitBytes = 0;
  /** Its streams that wait for a turn, in round-robin order; owned by the scheduler. */
  readonly queue: Schedulable[] = [];
  readonly weight: number;
  /** Bytes moved on the wire. */
  movedBytes = 0;
  readonly #bytesPerMs: number;
  /** When the rate has caught up with what has moved. */
  #paidUntilMs = 0;

  constructor({ weight = 1, bytesPerSec = Number.POSITIVE_INFINITY }: ShareOptions = {}) {
    this.weight = weight;
    this.#bytesPerMs = bytesPerSec / 1000;
  }

  /** The earliest time at which more may move; 0 without a limit. */
  get notBeforeMs(): number {
    return Math.max(0, this.#paidUntilMs - BURST_MS);
  }

  /** Bytes have moved on the wire. */
  charge(bytes: number, nowMs: number): void {
    this.movedBytes += bytes;
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs) + bytes / this.#bytesPerMs;
  }
}
