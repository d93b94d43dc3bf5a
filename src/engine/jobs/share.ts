/**
 * What one owner of streams may use of the engine, however many streams it has:
 * a weight among other owners, rates, and bytes in flight. An owner is an identity
 * or an address.
 */
import type { RateLimit } from '../../base/rate-limit.ts';
import type { InFlightLimit } from './in-flight-limit.ts';

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

export class Share {
  /** Bytes it may still take in its turn, or owes; owned by the scheduler. */
  deficitBytes = 0;
  /** Its streams that wait for a turn, in round-robin order; owned by the scheduler. */
  readonly queue: Schedulable[] = [];
  /** Its part of what is shared, beside the weights of others. */
  weight: number;
  /** All of them hold. Bytes on the wire count, of both directions together. */
  rates: readonly RateLimit[];
  /** Bytes moved on the wire. */
  movedBytes = 0;
  /** Bytes that were begun, and not yet taken by a peer or the store. */
  #inFlightBytes = 0;
  /** All of them hold. */
  #inFlight: readonly InFlightLimit[] = [];

  constructor(weight = 1, rates: readonly RateLimit[] = []) {
    this.weight = weight;
    this.rates = rates;
  }

  /** The earliest time at which more may move; 0: at any. */
  get notBeforeMs(): number {
    let latestMs = 0;
    for (const { notBeforeMs } of this.rates) latestMs = Math.max(latestMs, notBeforeMs);
    return latestMs;
  }

  /** Bytes have moved on the wire. */
  charge(bytes: number, nowMs: number): void {
    this.movedBytes += bytes;
    for (const rate of this.rates) rate.charge(bytes, nowMs);
  }

  /** The limits that hold from now on count what is in flight already. */
  limitInFlight(limits: readonly InFlightLimit[]): void {
    const before = this.#inFlight;
    this.#inFlight = limits;
    for (const limit of before) limit.add(-this.#inFlightBytes);
    for (const limit of limits) limit.add(this.#inFlightBytes);
    for (const limit of before) limit.release();
  }

  /** False where a limit is reached; `hasRoom` is called when it is worth while to ask again. */
  mayBegin(hasRoom: () => void): boolean {
    for (const limit of this.#inFlight) {
      if (!limit.isFull) continue;
      limit.wait(hasRoom);
      return false;
    }
    return true;
  }

  /** Bytes are in flight from now on, until they have `arrived`. */
  began(bytes: number): void {
    this.#inFlightBytes += bytes;
    for (const limit of this.#inFlight) limit.add(bytes);
  }

  /** They were taken, or given up. */
  arrived(bytes: number): void {
    this.#inFlightBytes -= bytes;
    for (const limit of this.#inFlight) limit.add(-bytes);
  }

  /** Whoever was to be told of room does not wait any longer. */
  forget(hasRoom: () => void): void {
    for (const limit of this.#inFlight) limit.forget(hasRoom);
  }
}
