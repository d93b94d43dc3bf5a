/**
 * The locks that the processes of a server share, kept by the primary. Whoever
 * waits gets its turn in order; what a process that is gone held is free.
 */
import { KeyedMutex } from '../../base/async/keyed-mutex.ts';
import type { FromProcess, ToProcess } from './messages.ts';

/** A process, as far as locks are concerned. */
export interface LockOwner {
  tell(message: ToProcess): void;
}

type HoldMessage = Extract<FromProcess, { kind: 'hold' }>;

/** What one process holds. */
interface Holdings {
  isGone: boolean;
  /** By ticket. */
  readonly releases: Map<number, () => void>;
}

/** An upload that a process has, or waits for. */
interface Lease {
  holder: LockOwner | null;
  waiting: number;
}

export class LockTable {
  readonly #names = new KeyedMutex();
  readonly #ids = new KeyedMutex();
  readonly #leases = new Map<string, Lease>();
  readonly #holdings = new Map<LockOwner, Holdings>();

  /** Answers with `held` once it is, or with `notHeld`. */
  hold(owner: LockOwner, { how, keys, ticket }: HoldMessage): void {
    const [id = ''] = keys;
    const holdings = this.#of(owner);
    if (how === 'names') void this.#names.runAll(keys, () => held(owner, holdings, ticket));
    else if (how === 'tryLease' && this.#leases.has(id)) owner.tell({ kind: 'notHeld', ticket });
    else void this.#lease(owner, holdings, ticket, id);
  }

  release(owner: LockOwner, ticket: number): void {
    this.#holdings.get(owner)?.releases.get(ticket)?.();
  }

  /** The process has ended. */
  gone(owner: LockOwner): void {
    const holdings = this.#of(owner);
    holdings.isGone = true;
    for (const release of holdings.releases.values()) release();
    this.#holdings.delete(owner);
  }

  async #lease(owner: LockOwner, holdings: Holdings, ticket: number, id: string): Promise<void> {
    const lease = this.#leases.get(id) ?? { holder: null, waiting: 0 };
    this.#leases.set(id, lease);
    lease.waiting += 1;
    lease.holder?.tell({ kind: 'recall', id });
    await this.#ids.run(id, async () => {
      lease.waiting -= 1;
      lease.holder = holdings.isGone ? null : owner;
      const over = held(owner, holdings, ticket, () => this.#free(id, lease));
      if (lease.waiting > 0) lease.holder?.tell({ kind: 'recall', id });
      await over;
    });
  }

  #free(id: string, lease: Lease): void {
    lease.holder = null;
    if (lease.waiting === 0) this.#leases.delete(id);
  }

  #of(owner: LockOwner): Holdings {
    let holdings = this.#holdings.get(owner);
    if (holdings === undefined) {
      holdings = { isGone: false, releases: new Map() };
      this.#holdings.set(owner, holdings);
    }
    return holdings;
  }
}

/** Tells the owner that it has what it waited for, and resolves when it gives that back. */
async function held(
  owner: LockOwner,
  { isGone, releases }: Holdings,
  ticket: number,
  onReleased: () => void = () => {},
): Promise<void> {
  if (isGone) {
    onReleased();
    return;
  }
  await new Promise<void>((resolve) => {
    releases.set(ticket, () => {
      releases.delete(ticket);
      onReleased();
      resolve();
    });
    owner.tell({ kind: 'held', ticket });
  });
}
