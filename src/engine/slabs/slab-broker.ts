/**
 * Grants slabs. Downloads ask with each job and are refused or made to copy;
 * uploads wait in a queue and are told. When slabs are short, those that wait for
 * a peer are taken back.
 *
 * Invariant: every slab goes out and comes back here, so that the policy knows
 * what is held.
 */
import assert from 'node:assert/strict';
import type { ActiveStreams } from '../active-streams.ts';
import { SlabPolicy } from './slab-policy.ts';
import type { Lease, SlabPool, SlabUse } from './slab-pool.ts';

/** An upload that waits for a slab. */
export interface SlabWaiter {
  /** There may be one now. */
  slabIsFree(): void;
}

/** How long a stream that wants a slab waits before it looks again. */
const RETRY_MS = 10;

export class SlabBroker {
  readonly pool: SlabPool;
  /** Slabs came back, or may be had after all: whoever has jobs to post looks again. */
  onAvailable: () => void = () => {};
  readonly #streams: ActiveStreams;
  readonly #policy: SlabPolicy;
  /** In the order in which they began to wait. */
  readonly #waiters: SlabWaiter[] = [];
  #retry: NodeJS.Timeout | null = null;
  #reclaimedAtMs = 0;
  #grantsSoon = false;
  #isGranting = false;
  #hasGranted = false;

  constructor(pool: SlabPool, streams: ActiveStreams, maxOutstandingJobs: number) {
    this.pool = pool;
    this.#streams = streams;
    this.#policy = new SlabPolicy(pool.count, maxOutstandingJobs);
  }

  /** Slabs that wait for peers, or may do so. */
  get held(): number {
    return this.#policy.held;
  }

  /**
   * How a download may use a slab: hold it until the peer has drained it, copy it,
   * or not at all yet (null).
   */
  useFor(drainedBytes: number, readsAhead: boolean, nowMs: number): SlabUse | null {
    if (this.#policy.mayHold(drainedBytes, readsAhead)) return 'hold';
    this.reclaim(nowMs);
    return readsAhead || this.#policy.shouldWait(nowMs) ? null : 'copy';
  }

  get hasFree(): boolean {
    return this.pool.freeCount > 0;
  }

  /** For a job of a download; there is a free one. */
  lease(use: SlabUse): Lease {
    const lease = this.pool.lease(use);
    assert(lease !== undefined, 'a slab was planned with that is not there');
    if (use === 'hold') this.#policy.took();
    return lease;
  }

  /** A store reads into the slab until `ended` resolves. */
  reading({ use }: Lease, ended: Promise<unknown>): void {
    if (use !== 'hold') return;
    this.#policy.readBegan();
    void ended.then(() => this.#policy.readEnded());
  }

  /** To receive into; undefined when there is none: `waiter` is told later. */
  leaseToReceive(waiter: SlabWaiter): Lease | undefined {
    // A stream at work asks again at once, and would always get ahead of those that wait.
    const isInTurn = this.#isGranting || this.#waiters.length === 0;
    const lease = isInTurn && this.#mayReceive ? this.pool.lease('receive') : undefined;
    if (lease !== undefined) {
      this.#policy.tookToReceive();
    } else if (!this.#waiters.includes(waiter)) {
      this.#waiters.push(waiter);
      this.lookAgainLater();
    }
    return lease;
  }

  release(lease: Lease): void {
    lease.release();
    this.#returned(lease.use);
  }

  /** Releases the slab once `untouched` resolves: nobody reads or writes it any more. */
  quarantine(lease: Lease, untouched: Promise<unknown>): void {
    void lease.quarantine(untouched).then(() => {
      this.#returned(lease.use);
      this.onAvailable();
    });
  }

  /** It waits no longer. */
  forget(waiter: SlabWaiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  /** True when free slabs go to uploads that wait; `onAvailable` follows behind that. */
  servesUploadsFirst(): boolean {
    if (this.#hasGranted || this.#waiters.length === 0 || !this.#mayReceive) return false;
    this.#grantSoon();
    return true;
  }

  /** Takes slabs back from streams whose peer hesitates. */
  reclaim(nowMs: number): void {
    if (nowMs - this.#reclaimedAtMs < RETRY_MS) return;
    this.#reclaimedAtMs = nowMs;
    this.#streams.reclaim(nowMs);
  }

  /** Later serves waiters again, and takes slabs back from idle holders. */
  lookAgainLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      if (this.#waiters.length > 0) {
        this.reclaim(performance.now());
        this.lookAgainLater();
      }
      this.onAvailable();
    }, RETRY_MS);
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
  }

  get #mayReceive(): boolean {
    return this.pool.freeCount > 0 && this.#policy.mayReceive(this.#streams.downloads === 0);
  }

  #returned(use: SlabUse): void {
    if (use === 'copy') return;
    const nowMs = performance.now();
    if (use === 'hold') {
      this.#policy.returned(nowMs);
    } else {
      this.#policy.returnedFromReceiving(nowMs);
      this.#grantSoon();
    }
  }

  /** Later, because a stream that is told of a slab takes it at once, and may be in the middle of a chunk. */
  #grantSoon(): void {
    if (this.#grantsSoon || this.#waiters.length === 0) return;
    this.#grantsSoon = true;
    queueMicrotask(() => {
      this.#grantsSoon = false;
      this.#grant();
      this.#hasGranted = true;
      this.onAvailable();
      this.#hasGranted = false;
    });
  }

  /** Uploads may have at most half of the slabs while somebody downloads. */
  #grant(): void {
    // A stream that is told and gets none, or wants none, goes to the end of the queue.
    for (let waiting = this.#waiters.length; waiting > 0 && this.#mayReceive; waiting--) {
      this.#isGranting = true;
      this.#waiters.shift()?.slabIsFree();
      this.#isGranting = false;
    }
  }
}
