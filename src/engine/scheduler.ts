/**
 * Who gets the next job: deficit round robin by bytes (Shreedhar and Varghese,
 * SIGCOMM 1995) over the transfers that want one.
 *
 * Invariant: at most `maxOutstanding` jobs are posted and unanswered, so the
 * queue is here, where it can be fair, and not in the pool.
 */

export interface Schedulable {
  /** Bytes this one may still take in its turn; owned by the scheduler. */
  deficitBytes: number;
  /** What the next job would cost in bytes; 0 when none is wanted now. */
  nextCostBytes(): number;
  /** Posts the next job; false when it cannot be posted now for want of a slab. */
  startJob(): boolean;
}

export class Scheduler {
  readonly #maxOutstanding: number;
  readonly #quantumBytes: number;
  /** Insertion order is the order of turns. */
  readonly #queue = new Set<Schedulable>();
  #outstanding = 0;

  constructor(maxOutstanding: number, quantumBytes: number) {
    this.#maxOutstanding = maxOutstanding;
    this.#quantumBytes = quantumBytes;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  add(item: Schedulable): void {
    this.#queue.add(item);
  }

  remove(item: Schedulable): void {
    this.#queue.delete(item);
    item.deficitBytes = 0;
  }

  /** A job was answered, whatever the answer. */
  jobEnded(): void {
    this.#outstanding -= 1;
  }

  /** Posts jobs while there is room; false when somebody wants a job and no slab could be had for it. */
  dispatch(): boolean {
    let refusals = 0;
    while (this.#outstanding < this.#maxOutstanding && refusals < this.#queue.size) {
      const [item] = this.#queue as Iterable<Schedulable> as [Schedulable];
      const costBytes = item.nextCostBytes();
      if (costBytes === 0) {
        this.remove(item);
      } else if (item.deficitBytes < costBytes) {
        // Others may refuse until this one has saved up for its job; that must not end the round.
        refusals = 0;
        item.deficitBytes += this.#quantumBytes;
        this.#rotate(item);
      } else if (item.startJob()) {
        refusals = 0;
        this.#outstanding += 1;
        item.deficitBytes -= costBytes;
      } else {
        refusals += 1;
        this.#rotate(item);
      }
    }
    return this.#queue.size === 0 || refusals === 0;
  }

  #rotate(item: Schedulable): void {
    this.#queue.delete(item);
    this.#queue.add(item);
  }
}
