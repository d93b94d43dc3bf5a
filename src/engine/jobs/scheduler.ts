/**
 * Who gets the next job: deficit round robin by bytes (Shreedhar and Varghese,
 * SIGCOMM 1995), first over the shares of which a stream wants one, then over the
 * streams of a share. A job costs its share what its thread worked, too.
 *
 *   wants ──add──▶ share's queue ──turn──▶ planned ──price paid──▶ job
 *   share ahead of its rate ──▶ delayed ──due──▶ waits for its turn
 *
 * Invariant: no job is posted while `maxOutstanding` are unanswered, so the
 * queue is here, where it can be fair, and not in the pool.
 */
import type { Schedulable, Share } from './share.ts';

/** Instead of a price: a job is wanted, and there is no slab for it. */
export const NO_SLAB = -1;

/** What a millisecond of a thread costs beside the bytes of its job: at 128 MiB/s, work and wire cost the same. */
const WORK_COST_BYTES_PER_MS = 128 * 1024;

/** A share pays back at most this much before its next turn. */
const MAX_DEBT_QUANTA = 16;

export class Scheduler {
  #maxOutstanding: number;
  readonly #quantumBytes: number;
  readonly #nowMs: () => number;
  /**
   * Shares with streams that wait, in round-robin order. Not a Set, and neither
   * are their queues: adding and deleting for each job makes V8 rehash it, and
   * each old table keeps the next alive until a full collection (bench
   * flat-memory: 23 MiB).
   */
  readonly #shares: Share[] = [];
  /** Ahead of their rates, and not among `#shares`. */
  readonly #delayed: Share[] = [];
  #outstanding = 0;

  constructor(maxOutstanding: number, quantumBytes: number, nowMs: () => number = () => performance.now()) {
    this.#maxOutstanding = maxOutstanding;
    this.#quantumBytes = quantumBytes;
    this.#nowMs = nowMs;
  }

  /** From the next dispatch on. */
  limitTo(maxOutstanding: number): void {
    this.#maxOutstanding = maxOutstanding;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get waiting(): number {
    return [...this.#shares, ...this.#delayed].reduce((sum, { queue }) => sum + queue.length, 0);
  }

  /** Streams among them that are ahead of their rates. */
  get delayed(): number {
    let count = 0;
    for (const { queue } of this.#delayed) count += queue.length;
    return count;
  }

  /** Until the first of the delayed may start. */
  msUntilDue(): number {
    const dueMs = this.#delayed.reduce(
      (first, { notBeforeMs }) => Math.min(first, notBeforeMs),
      Number.POSITIVE_INFINITY,
    );
    return Math.max(0, dueMs - this.#nowMs());
  }

  add(item: Schedulable): void {
    if (item.isQueued) return;
    item.isQueued = true;
    const { queue } = item.share;
    if (queue.length === 0) this.#shares.push(item.share);
    queue.push(item);
  }

  remove(item: Schedulable): void {
    item.deficitBytes = 0;
    if (!item.isQueued) return;
    item.isQueued = false;
    const { share } = item;
    share.queue.splice(share.queue.indexOf(item), 1);
    if (share.queue.length > 0) return;
    const shares = this.#delayed.includes(share) ? this.#delayed : this.#shares;
    shares.splice(shares.indexOf(share), 1);
    share.deficitBytes = Math.min(0, share.deficitBytes);
  }

  /** A job was answered, whatever the answer. */
  jobEnded(): void {
    this.#outstanding -= 1;
  }

  /** A thread has worked for the share. */
  worked(share: Share, workMs: number): void {
    // Alone it owes nobody.
    if (this.#shares.length > 1) this.#pay(share, workMs * WORK_COST_BYTES_PER_MS);
  }

  /** Posts jobs up to the limit; false when a stream wants a job and there is no slab. */
  dispatch(): boolean {
    this.#admitDue();
    while (this.#outstanding < this.#maxOutstanding && this.#shares.length > 0) {
      if (!this.#turn()) return this.#shares.length === 0;
    }
    return true;
  }

  /** Gives the first stream that has a slab its turn; false when none has. */
  #turn(): boolean {
    for (let shares = this.#shares.length; shares > 0; shares--) {
      const share = this.#shares[0];
      if (share === undefined) return false;
      if (this.#putOff(share)) continue;
      if (this.#turnOf(share)) return true;
      if (this.#shares[0] === share) rotate(this.#shares);
    }
    return false;
  }

  #turnOf(share: Share): boolean {
    for (let items = share.queue.length; items > 0; items--) {
      const item = share.queue[0];
      if (item === undefined) return false;
      const costBytes = item.planJob();
      if (costBytes === 0) {
        this.remove(item);
      } else if (costBytes === NO_SLAB) {
        rotate(share.queue);
      } else {
        this.#serve(share, item, costBytes);
        return true;
      }
    }
    return false;
  }

  /** Starts the job that was planned if it can be paid, else saves up for it. */
  #serve(share: Share, item: Schedulable, costBytes: number): void {
    const isAlone = this.#shares.length === 1;
    if (!isAlone && share.deficitBytes < costBytes) {
      share.deficitBytes += this.#quantumBytes * share.weight;
      rotate(this.#shares);
    } else if (item.deficitBytes < costBytes) {
      item.deficitBytes += this.#quantumBytes;
      rotate(share.queue);
    } else {
      if (item.startJob() === 'posted') this.#outstanding += 1;
      item.deficitBytes -= costBytes;
      if (isAlone) share.deficitBytes = 0;
      else this.#pay(share, costBytes);
    }
  }

  #pay(share: Share, costBytes: number): void {
    const least = -MAX_DEBT_QUANTA * this.#quantumBytes;
    share.deficitBytes = Math.max(least, share.deficitBytes - costBytes);
  }

  /** Moves a share to `#delayed` if it is ahead of its rate. */
  #putOff(share: Share): boolean {
    if (share.notBeforeMs === 0 || share.notBeforeMs <= this.#nowMs()) return false;
    this.#shares.shift();
    this.#delayed.push(share);
    return true;
  }

  /** Back among the others, in order of arrival. */
  #admitDue(): void {
    if (this.#delayed.length === 0) return;
    const nowMs = this.#nowMs();
    const late = this.#delayed.splice(0);
    for (const share of late) (share.notBeforeMs > nowMs ? this.#delayed : this.#shares).push(share);
  }
}

function rotate<Item>(items: Item[]): void {
  items.push(items.shift() as Item);
}
