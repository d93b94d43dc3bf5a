/**
 * Who may hold a slab while its bytes are in flight (zero copy), and who gets
 * only a small heap copy.
 *
 *   count  =  reserve | proven | newcomers
 *
 * The reserve (one slab for each job that can be outstanding) is never held
 * past its job, so copied sends always go on. Peers that have not yet drained
 * more than any window could hide share half of the pool: readers that stop
 * early cannot take the rest from those that read.
 */
import { MIB } from '../../base/units.ts';

/** More than a client's windows and socket buffers hold: a peer that drained this much reads. */
const PROVEN_BYTES = 64 * MIB;

/** While slabs return at least this often, waiting beats copying. */
const MOVING_MS = 10;

export class SlabPolicy {
  readonly #maxHeld: number;
  readonly #maxNewcomerHeld: number;
  #held = 0;
  /** Slabs held by uploads, a part of the held ones. */
  #receiving = 0;
  /** Slabs that a store without descriptors is reading into, a part of the held ones. */
  #reading = 0;
  #lastReturnMs = 0;

  constructor(slabCount: number, maxOutstandingJobs: number) {
    this.#maxHeld = slabCount - maxOutstandingJobs;
    this.#maxNewcomerHeld = Math.max(1, Math.floor(this.#maxHeld / 2));
  }

  get held(): number {
    return this.#held;
  }

  /**
   * Whether a stream that has drained `drainedBytes` may take a slab to hold.
   * Reading ahead of what is being sent is for times of plenty: a slab that
   * waits behind its stream's own write is a slab another stream could send.
   */
  mayHold(drainedBytes: number, readsAhead: boolean): boolean {
    const most = drainedBytes >= PROVEN_BYTES ? this.#maxHeld : this.#maxNewcomerHeld;
    return this.#held < (readsAhead ? Math.ceil(most / 2) : most);
  }

  /** Whether an upload may take a slab to receive into: half of what may be held, all of it while nobody downloads. */
  mayReceive(isAlone: boolean): boolean {
    const most = isAlone ? this.#maxHeld : Math.max(1, Math.floor(this.#maxHeld / 2));
    return this.#receiving < most && this.#held < this.#maxHeld;
  }

  tookToReceive(): void {
    this.#receiving += 1;
    this.took();
  }

  returnedFromReceiving(nowMs: number): void {
    this.#receiving -= 1;
    this.returned(nowMs);
  }

  /**
   * Whether one that may not should rather wait than copy. Where the store holds most slabs, smaller
   * reads would only make more of them.
   */
  shouldWait(nowMs: number): boolean {
    return nowMs - this.#lastReturnMs < MOVING_MS || this.#reading * 2 > this.#held;
  }

  readBegan(): void {
    this.#reading += 1;
  }

  readEnded(): void {
    this.#reading -= 1;
  }

  took(): void {
    this.#held += 1;
  }

  returned(nowMs: number): void {
    this.#held -= 1;
    this.#lastReturnMs = nowMs;
  }
}
