/**
 * Who gets the next job: deficit round robin by bytes (Shreedhar and Varghese,
 * SIGCOMM 1995) over the transfers that want one.
 *
 * Invariant: no job is posted while `maxOutstanding` are unanswered, so the
 * queue is here, where it can be fair, and not in the pool.
 */

/** What became of a turn. 'reading': a read of the store began, which keeps no thread busy; its job comes behind it. */
export type JobStart = 'posted' | 'reading' | 'refused';

export interface Schedulable {
  /** Bytes this one may still take in its turn; owned by the scheduler. */
  deficitBytes: number;
  /** Whether it waits for a turn; owned by the scheduler. */
  isQueued: boolean;
  /** What the next job would cost in bytes; 0 when none is wanted now. */
  nextCostBytes(): number;
  /** Begins the next job; 'refused' when that cannot be now for want of a slab. */
  startJob(): JobStart;
}

export class Scheduler {
  #maxOutstanding: number;
  readonly #quantumBytes: number;
  /**
   * In the order of turns. Not a Set: adding and deleting for each job makes V8
   * rehash it, and each old table keeps what followed it alive until a full
   * collection (bench flat-memory: 23 MiB).
   */
  readonly #queue: Schedulable[] = [];
  #outstanding = 0;

  constructor(maxOutstanding: number, quantumBytes: number) {
    this.#maxOutstanding = maxOutstanding;
    this.#quantumBytes = quantumBytes;
  }

  /** From the next dispatch on. */
  limitTo(maxOutstanding: number): void {
    this.#maxOutstanding = maxOutstanding;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  add(item: Schedulable): void {
    if (item.isQueued) return;
    item.isQueued = true;
    this.#queue.push(item);
  }

  remove(item: Schedulable): void {
    item.deficitBytes = 0;
    if (!item.isQueued) return;
    item.isQueued = false;
    this.#queue.splice(this.#queue.indexOf(item), 1);
  }

  /** A job was answered, whatever the answer. */
  jobEnded(): void {
    this.#outstanding -= 1;
  }

  /** Posts jobs while there is room; false when somebody wants a job and no slab could be had for it. */
  dispatch(): boolean {
    let refusals = 0;
    while (this.#outstanding < this.#maxOutstanding && refusals < this.#queue.length) {
      const item = this.#queue[0] as Schedulable;
      const costBytes = item.nextCostBytes();
      if (costBytes === 0) {
        this.remove(item);
      } else if (item.deficitBytes < costBytes) {
        // Others may refuse until this one has saved up for its job; that must not end the round.
        refusals = 0;
        item.deficitBytes += this.#quantumBytes;
        this.#rotate();
      } else {
        const start = item.startJob();
        if (start === 'refused') {
          refusals += 1;
          this.#rotate();
          continue;
        }
        refusals = 0;
        if (start === 'posted') this.#outstanding += 1;
        item.deficitBytes -= costBytes;
      }
    }
    return this.#queue.length === 0 || refusals === 0;
  }

  #rotate(): void {
    this.#queue.push(this.#queue.shift() as Schedulable);
  }
}
