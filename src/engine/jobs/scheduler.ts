/**
 * Who gets the next job: deficit round robin by bytes (Shreedhar and Varghese,
 * SIGCOMM 1995) over the streams that want one.
 *
 *   wants ──add──▶ queue ──turn──▶ planned ──price paid──▶ job      not before ──▶ delayed ──due──▶ queue
 *
 * Invariant: no job is posted while `maxOutstanding` are unanswered, so the
 * queue is here, where it can be fair, and not in the pool.
 */

/** The result of a turn. 'reading': a read of the store began, which keeps no thread busy; its job follows. */
export type JobStart = 'posted' | 'reading';

/** Instead of a price: a job is wanted, and there is no slab for it. */
export const NO_SLAB = -1;

export interface Schedulable {
  /** Bytes this one may still take in its turn; owned by the scheduler. */
  deficitBytes: number;
  /** Whether it waits for a turn; owned by the scheduler. */
  isQueued: boolean;
  /** The earliest time of the scheduler's clock at which its next job may start; default: any. */
  readonly notBeforeMs?: number;
  /** Decides what the next job is, and returns its price in bytes; 0 when none is wanted now, or `NO_SLAB`. */
  planJob(): number;
  /** Begins the job that was planned just now. */
  startJob(): JobStart;
}

export class Scheduler {
  #maxOutstanding: number;
  readonly #quantumBytes: number;
  readonly #nowMs: () => number;
  /**
   * In round-robin order. Not a Set: adding and deleting for each job makes V8
   * rehash it, and each old table keeps the next alive until a full collection
   * (bench flat-memory: 23 MiB).
   */
  readonly #queue: Schedulable[] = [];
  /** Not yet due, and not in the queue. */
  readonly #delayed: Schedulable[] = [];
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
    return this.#queue.length + this.#delayed.length;
  }

  get hasDelayed(): boolean {
    return this.#delayed.length > 0;
  }

  /** Until the first of the delayed may start. */
  msUntilDue(): number {
    const dueMs = this.#delayed.reduce(
      (first, item) => Math.min(first, dueMsOf(item)),
      Number.POSITIVE_INFINITY,
    );
    return Math.max(0, dueMs - this.#nowMs());
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
    const at = this.#queue.indexOf(item);
    if (at >= 0) this.#queue.splice(at, 1);
    else this.#delayed.splice(this.#delayed.indexOf(item), 1);
  }

  /** A job was answered, whatever the answer. */
  jobEnded(): void {
    this.#outstanding -= 1;
  }

  /** Posts jobs up to the limit; false when a stream wants a job and there is no slab. */
  dispatch(): boolean {
    this.#admitDue();
    let refusals = 0;
    while (this.#outstanding < this.#maxOutstanding && refusals < this.#queue.length) {
      const item = this.#queue[0] as Schedulable;
      if (this.#putOff(item)) continue;
      const costBytes = item.planJob();
      if (costBytes === 0) {
        this.remove(item);
      } else if (costBytes === NO_SLAB) {
        refusals += 1;
        this.#rotate();
      } else if (item.deficitBytes < costBytes) {
        // Refusals before this one had saved up for its job must not end the round.
        refusals = 0;
        item.deficitBytes += this.#quantumBytes;
        this.#rotate();
      } else {
        refusals = 0;
        if (item.startJob() === 'posted') this.#outstanding += 1;
        item.deficitBytes -= costBytes;
      }
    }
    return this.#queue.length === 0 || refusals === 0;
  }

  #rotate(): void {
    this.#queue.push(this.#queue.shift() as Schedulable);
  }

  /** Moves the head of the queue to `#delayed` if it is not due yet. */
  #putOff({ notBeforeMs }: Schedulable): boolean {
    if (notBeforeMs === undefined || notBeforeMs <= this.#nowMs()) return false;
    this.#delayed.push(this.#queue.shift() as Schedulable);
    return true;
  }

  /** Back to the queue in order of arrival, with their deficits. */
  #admitDue(): void {
    if (this.#delayed.length === 0) return;
    const nowMs = this.#nowMs();
    const late = this.#delayed.splice(0);
    for (const item of late) (dueMsOf(item) > nowMs ? this.#delayed : this.#queue).push(item);
  }
}

function dueMsOf({ notBeforeMs = 0 }: Schedulable): number {
  return notBeforeMs;
}
