/**
 * The slabs: one SharedArrayBuffer, allocated once, and main's ledger of it.
 *
 *   slab i = [ i × stride, (i + 1) × stride )    stride = payload + headroom
 *
 * Invariant: free + leased + sending + quarantined = count, at every moment.
 * A slab is leased once, released once; a lease used after its release throws,
 * because by then the bytes may be another client's.
 */
import assert from 'node:assert/strict';
import { SLAB_HEADROOM_BYTES } from '../../base/limits.ts';
import { CONTROL_WORDS_PER_SLAB, cancelWord, JOB_CANCELLED, JOB_CRASH, threadWord } from '../jobs/job.ts';

/**
 * leased: a job fills it, or its run waits to be sent. sending: the kernel or
 * http2 may still read it. quarantined: as sending or leased, but nobody is left
 * to say when that ends, so it waits for proof.
 */
export type LeaseState = 'leased' | 'sending' | 'quarantined' | 'released';

/** copy: only while its job runs, its bytes are copied out. hold: until the peer has drained them. receive: from a peer. */
export type SlabUse = 'copy' | 'hold' | 'receive';

export interface Ledger {
  free: number;
  leased: number;
  sending: number;
  quarantined: number;
  count: number;
}

export class SlabPool {
  readonly memory: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  /** Payload bytes of one slab. */
  readonly slabBytes: number;
  readonly strideBytes: number;
  readonly count: number;
  readonly #free: number[] = [];
  readonly #words: Int32Array;
  readonly #tally = { leased: 0, sending: 0, quarantined: 0 };

  /** Allocates `count × (slabBytes + headroom)`; the system commits pages as they are first used. */
  constructor(slabBytes: number, count: number) {
    this.slabBytes = slabBytes;
    this.strideBytes = slabBytes + SLAB_HEADROOM_BYTES;
    this.count = count;
    this.memory = new SharedArrayBuffer(this.strideBytes * count);
    this.control = new SharedArrayBuffer(count * CONTROL_WORDS_PER_SLAB * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.control);
    for (let slab = count - 1; slab >= 0; slab--) this.#free.push(slab);
  }

  get freeCount(): number {
    return this.#free.length;
  }

  ledger(): Ledger {
    return { free: this.#free.length, ...this.#tally, count: this.count };
  }

  /** The most recently used free slab, whose pages are warm; undefined when there is none. */
  lease(use: SlabUse = 'copy'): Lease | undefined {
    const slab = this.#free.pop();
    if (slab === undefined) return undefined;
    this.renewJob(slab);
    this.#tally.leased += 1;
    return new Lease(this, slab, use);
  }

  /** Forgets what was said to and by the last job in the slab; nobody works in it. */
  renewJob(slab: number): void {
    Atomics.store(this.#words, threadWord(slab), 0);
    Atomics.store(this.#words, cancelWord(slab), 0);
  }

  /** The id of the thread that is working in the slab, 0 for none. */
  threadIn(slab: number): number {
    return Atomics.load(this.#words, threadWord(slab));
  }

  /** Asks the job in the slab to stop at its next chunk. */
  cancelJob(slab: number): void {
    Atomics.store(this.#words, cancelWord(slab), JOB_CANCELLED);
  }

  /** Has the thread that works in the slab end at its next chunk; for tests. */
  crashJob(slab: number): void {
    Atomics.store(this.#words, cancelWord(slab), JOB_CRASH);
  }

  /** For `Lease` only. */
  move(slab: number, from: LeaseState, to: LeaseState): void {
    assert(from !== 'released', 'a released lease was used again');
    this.#tally[from] -= 1;
    if (to === 'released') this.#free.push(slab);
    else this.#tally[to] += 1;
  }
}

/** The exclusive right to one slab. */
export class Lease {
  readonly slab: number;
  readonly use: SlabUse;
  readonly #pool: SlabPool;
  #state: LeaseState = 'leased';

  constructor(pool: SlabPool, slab: number, use: SlabUse) {
    this.#pool = pool;
    this.slab = slab;
    this.use = use;
  }

  get state(): LeaseState {
    return this.#state;
  }

  /** The first `length` bytes of the slab; valid until `release`. */
  bytes(length: number): Uint8Array<SharedArrayBuffer> {
    assert(this.#state !== 'released', 'a released lease was used again');
    return new Uint8Array(this.#pool.memory, this.slab * this.#pool.strideBytes, length);
  }

  /** `length` bytes behind the headroom, where a fill job expects what it shall not read itself. */
  payload(length: number): Uint8Array<SharedArrayBuffer> {
    assert(this.#state !== 'released', 'a released lease was used again');
    const at = this.slab * this.#pool.strideBytes + SLAB_HEADROOM_BYTES;
    return new Uint8Array(this.#pool.memory, at, length);
  }

  /** Asks the job in the slab to stop at its next chunk. */
  cancelJob(): void {
    this.#pool.cancelJob(this.slab);
  }

  /** Forgets what was said to and by the last job in the slab; nobody works in it. */
  renewJob(): void {
    this.#pool.renewJob(this.slab);
  }

  markSending(): void {
    this.#move('sending');
  }

  release(): void {
    this.#move('released');
  }

  /** Releases the slab once `untouched` resolves: nobody reads or writes it any more. */
  quarantine(untouched: Promise<unknown>): Promise<void> {
    this.#move('quarantined');
    return untouched.then(() => this.release());
  }

  #move(to: LeaseState): void {
    this.#pool.move(this.slab, this.#state, to);
    this.#state = to;
  }
}
