/**
 * What each owner of calls uses of the server: counted against the limits of the
 * access file, and its share of the engine. An owner is an identity or an address.
 *
 *   enter ──▶ take ⇄ give ──▶ leave ──rates caught up──▶ forgotten
 *
 * Invariant: what was taken is given back once, also when limits change meanwhile.
 */

import type { Access } from '../../access/access.ts';
import type { Identity } from '../../access/identity.ts';
import { type AppliedLimit, type LimitedKind, NO_LIMITS } from '../../access/limits.ts';
import { Mutex } from '../../base/async/mutex.ts';
import type { Counters } from '../../base/counters/counters.ts';
import { TransferError } from '../../base/errors.ts';
import { RateLimit } from '../../base/rate-limit.ts';
import { KIB } from '../../base/units.ts';
import { InFlightLimit } from '../../engine/jobs/in-flight-limit.ts';
import { Share } from '../../engine/jobs/share.ts';
import type { PeerSocket } from '../../flow/gate/held-stream.ts';
import { quoteName } from '../../storage/quoted-name.ts';

/** How long an owner that has left is remembered beyond its rates. */
const FORGET_MS = 1000;

/**
 * What a call, or a request of an Exchange, costs beside its bytes, of the rate of its
 * owner: about a quarter of a millisecond of the event loop, in which a download moves
 * as much.
 */
const CALL_COST_BYTES = 256 * KIB;

/** However low their rate, owners may make about a hundred calls a second. */
const LEAST_CALL_RATE = 100 * CALL_COST_BYTES;

/** A limit, and what those that it means hold together. */
class Allowance {
  limit: AppliedLimit;
  readonly rate: RateLimit;
  /** Of calls and requests, in their costs. They do not wait for the bytes of transfers. */
  readonly callRate: RateLimit;
  readonly inFlight: InFlightLimit;
  readonly held = new Map<LimitedKind, number>();
  /** Accounts that it applies to. */
  accounts = 0;

  constructor(limit: AppliedLimit) {
    this.limit = limit;
    this.rate = new RateLimit(limit.rate ?? Number.POSITIVE_INFINITY);
    this.callRate = new RateLimit(callRateOf(limit));
    this.inFlight = new InFlightLimit(limit.inFlight ?? Number.POSITIVE_INFINITY);
  }

  /** The file has changed. */
  becomes(limit: AppliedLimit): void {
    this.limit = limit;
    this.rate.limitTo(limit.rate ?? Number.POSITIVE_INFINITY);
    this.callRate.limitTo(callRateOf(limit));
    this.inFlight.limitTo(limit.inFlight ?? Number.POSITIVE_INFINITY);
  }

  isFull(kind: LimitedKind): boolean {
    return (this.held.get(kind) ?? 0) >= (this.limit.most[kind] ?? Number.POSITIVE_INFINITY);
  }

  add(kind: LimitedKind, count: number): void {
    this.held.set(kind, (this.held.get(kind) ?? 0) + count);
  }
}

function callRateOf({ rate }: AppliedLimit): number {
  return rate === undefined ? Number.POSITIVE_INFINITY : Math.max(rate, LEAST_CALL_RATE);
}

/** One owner. */
export class Account {
  readonly share = new Share();
  identity: Identity;
  readonly owner: string | null;
  /** Calls under way, and all that is taken. */
  #holds = 0;
  readonly #onEmpty: (account: Account) => void;
  readonly #counters: Counters;
  readonly #held = new Map<LimitedKind, number>();
  readonly #sockets = new WeakSet<object>();
  readonly #beginning = new Mutex();
  #allowances: readonly Allowance[] = [];

  /** @param onEmpty called whenever nothing is left of it */
  constructor(
    identity: Identity,
    owner: string | null,
    counters: Counters,
    onEmpty: (account: Account) => void,
  ) {
    this.identity = identity;
    this.owner = owner;
    this.#counters = counters;
    this.#onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.#holds === 0;
  }

  /** When its rates have caught up; 0: they have. */
  get notBeforeMs(): number {
    return Math.max(this.share.notBeforeMs, ...this.#allowances.map(({ callRate }) => callRate.notBeforeMs));
  }

  /** A call begins, and is over. */
  enter(): void {
    this.#holds += 1;
  }

  leave(): void {
    this.#holds -= 1;
    if (this.isEmpty) this.#onEmpty(this);
  }

  /** Throws RESOURCE_EXHAUSTED where a limit is reached. Whoever took gives back. */
  take(kind: LimitedKind): void {
    for (const allowance of this.#allowances)
      if (allowance.isFull(kind)) throw this.#refusal(kind, allowance);
    this.#add(kind, 1);
    this.enter();
  }

  give(kind: LimitedKind): void {
    this.#add(kind, -1);
    this.leave();
  }

  /** Counts a connection with its first call, until it closes. Throws as `take`. */
  connect(socket: PeerSocket | undefined): void {
    if (socket === undefined || this.#allowances.length === 0 || this.#sockets.has(socket)) return;
    this.take('connections');
    this.#sockets.add(socket);
    socket.once('close', () => this.give('connections'));
  }

  /**
   * A call, or a request of an Exchange, costs its owner something whatever it moves. Returns the time from which on
   * it may be handled; 0: at once.
   */
  payForCall(nowMs: number): number {
    let fromMs = 0;
    for (const { callRate } of this.#allowances) {
      fromMs = Math.max(fromMs, callRate.notBeforeMs);
      callRate.charge(CALL_COST_BYTES, nowMs);
    }
    return fromMs;
  }

  /**
   * Begins an upload; where there is a limit one after the other, because each counts only when it has begun. Throws
   * RESOURCE_EXHAUSTED where the owner may have no more unfinished uploads than it has.
   */
  async beginUpload<Upload>(countOpen: () => Promise<number>, begin: () => Promise<Upload>): Promise<Upload> {
    if (this.#allowances.every(({ limit }) => limit.most.uploads === undefined)) return await begin();
    return await this.#beginning.run(async () => {
      const open = await countOpen();
      for (const allowance of this.#allowances) {
        const { uploads = Number.POSITIVE_INFINITY } = allowance.limit.most;
        if (open >= uploads) throw this.#refusal('uploads', allowance);
      }
      return await begin();
    });
  }

  /** The limits that apply from now on. Returns those that did until now. */
  limitBy(allowances: readonly Allowance[], weight: number): readonly Allowance[] {
    const before = this.#allowances;
    for (const each of this.#allowances) {
      each.accounts -= 1;
      for (const [kind, count] of this.#held) each.add(kind, -count);
    }
    for (const each of allowances) {
      each.accounts += 1;
      for (const [kind, count] of this.#held) each.add(kind, count);
    }
    this.#allowances = allowances;
    this.share.weight = weight;
    this.share.rates = allowances.filter(({ limit }) => limit.rate !== undefined).map(({ rate }) => rate);
    this.share.limitInFlight(
      allowances.filter(({ limit }) => limit.inFlight !== undefined).map(({ inFlight }) => inFlight),
    );
    return before;
  }

  #add(kind: LimitedKind, count: number): void {
    this.#held.set(kind, (this.#held.get(kind) ?? 0) + count);
    for (const allowance of this.#allowances) allowance.add(kind, count);
  }

  #refusal(kind: LimitedKind, { limit }: Allowance): TransferError {
    this.#counters.limitRefusals.add(1, kind);
    return new TransferError(
      'RESOURCE_EXHAUSTED',
      `${quoteName(limit.who)} may have ${limit.most[kind]} ${WORDS[kind]} at a time on this server, and has them; try again later`,
    );
  }
}

const WORDS: Readonly<Record<LimitedKind, string>> = {
  connections: 'connections',
  calls: 'calls with a single answer',
  streams: 'downloads and listings',
  uploadStreams: 'uploads under way',
  requests: 'open requests of Exchanges',
  uploads: 'unfinished uploads',
};

export class Accounts {
  readonly #access: Access | null;
  readonly #counters: Counters;
  readonly #byOwner = new Map<string, Account>();
  readonly #allowances = new Map<string, Allowance>();
  #peersAlone = 0;

  constructor(access: Access | null, counters: Counters) {
    this.#access = access;
    this.#counters = counters;
    access?.onChange(() => {
      for (const account of this.#byOwner.values()) this.#limit(account);
    });
  }

  /** A call begins; the account is left when it is over. */
  enter(identity: Identity, owner: string | null): Account {
    let account = owner === null ? undefined : this.#byOwner.get(owner);
    if (account === undefined) {
      account = new Account(identity, owner, this.#counters, (empty) => this.#forget(empty));
      if (owner !== null) this.#byOwner.set(owner, account);
      this.#limit(account);
    } else if (account.identity !== identity) {
      account.identity = identity;
      this.#limit(account);
    }
    account.enter();
    return account;
  }

  /** An owner that is ahead of its rate must not get a new one by calling again. */
  #forget(account: Account): void {
    const dueMs = account.notBeforeMs;
    if (dueMs === 0) this.#drop(account);
    else {
      const waitMs = Math.max(0, dueMs - performance.now()) + FORGET_MS;
      setTimeout(() => account.isEmpty && this.#drop(account), waitMs).unref();
    }
  }

  #drop(account: Account): void {
    if (account.owner !== null && this.#byOwner.get(account.owner) === account)
      this.#byOwner.delete(account.owner);
    for (const { accounts, limit } of account.limitBy([], 1))
      if (accounts === 0) this.#allowances.delete(limit.key);
  }

  #limit(account: Account): void {
    const { identity, owner } = account;
    // Whoever cannot be told from others is limited alone, as with places.
    const counted = owner ?? `peer ${++this.#peersAlone}`;
    const { limits, weight } = this.#access?.policy.limitsOf?.(identity, counted) ?? NO_LIMITS;
    account.limitBy(
      limits.map((limit) => this.#allowance(limit)),
      weight,
    );
  }

  #allowance(limit: AppliedLimit): Allowance {
    let allowance = this.#allowances.get(limit.key);
    if (allowance === undefined) {
      allowance = new Allowance(limit);
      this.#allowances.set(limit.key, allowance);
    } else if (allowance.limit !== limit) {
      allowance.becomes(limit);
    }
    return allowance;
  }
}
