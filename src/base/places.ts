/**
 * Places of one kind: whatever holds memory or a descriptor has a place from its
 * first byte to its last. While places are free, anybody gets one; after that
 * holders without progress are evicted, then owners above their share.
 *
 * Invariants: a place is taken once and given back once; the places of all
 * owners together are `active`; nobody enters beyond the limit; those that lost
 * their place but still hold something are at most `leavingPlaces(limit)`.
 */
import type { Counters, PlaceKind } from './counters/counters.ts';
import { TransferError } from './errors.ts';

/** The holder of a place. Nothing here is called for each chunk. */
export interface PlaceHolder {
  /** Bytes it has moved until now; never decreases. */
  readonly movedBytes: number;
  /** True while the server holds it up, which does not count as still. */
  readonly isHeldUp: boolean;
  /** Its place goes to another: ends with `error` soon, frees what it holds, then leaves. Called once. */
  evict(error: TransferError): void;
  /** After `evict`: ends at once, without another word to its peer. */
  cut(): void;
}

export interface PlaceClock {
  nowMs(): number;
  /** Calls `tick` again and again, without keeping the process alive; returns what ends that. */
  every(intervalMs: number, tick: () => void): () => void;
}

export interface PlacesOptions {
  /** Names them in refusals: 'uploads'. */
  what: string;
  limit: number;
  /** Where they are counted, and as which kind. */
  counted?: { counters: Counters; as: PlaceKind };
  /** Default: that of the system. */
  clock?: PlaceClock;
}

/** A holder that moved less than this is still, and is evicted first. */
const MIN_BYTES_PER_SEC = 1024;

/** For how long it must have moved less; younger holders are not judged. */
const STILL_MS = 10_000;

/** A place is judged over two to three ticks, 10 to 15 s. */
const TICK_MS = STILL_MS / 2;

/** How many evicted holders, beside `limit` places, may not have left yet. */
export function leavingPlaces(limit: number): number {
  return Math.max(8, Math.ceil(limit / 8));
}

/** One place. */
export class Place {
  holder: PlaceHolder;
  readonly owner: unknown;
  /** Bytes moved and time, at the last tick and at the one before; at first, of entering. */
  lastBytes = 0;
  lastMs: number;
  earlierBytes = 0;
  earlierMs: number;
  readonly #leave: (place: Place) => void;

  constructor(holder: PlaceHolder, owner: unknown, nowMs: number, leave: (place: Place) => void) {
    this.holder = holder;
    this.owner = owner;
    this.lastMs = nowMs;
    this.earlierMs = nowMs;
    this.#leave = leave;
  }

  /** Gives the place back, also one that was lost: nothing is held any more. Safe to call twice. */
  leave(): void {
    this.#leave(this);
  }
}

export class Places {
  #limit: number;
  readonly #what: string;
  readonly #clock: PlaceClock;
  readonly #counted: PlacesOptions['counted'];
  /** In the order of entering. */
  readonly #byOwner = new Map<unknown, Set<Place>>();
  #active = 0;
  /** Lost, not left yet; oldest first. */
  readonly #leaving = new Set<Place>();
  /** Those of them that were told to end at once. */
  readonly #cut = new Set<Place>();
  /** As of the last tick. */
  readonly #still = new Set<Place>();
  #stopTicking: (() => void) | null = null;
  readonly #leave = (place: Place) => this.#left(place);

  constructor({ what, limit, counted, clock = SYSTEM_CLOCK }: PlacesOptions) {
    this.#what = what;
    this.#limit = limit;
    this.#clock = clock;
    this.#counted = counted;
    counted?.counters.places.observe(() => this.#active, counted.as);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Limits them otherwise from now on. Those above a lower limit stay, until they end or make place for others. */
  limitTo(limit: number): void {
    this.#limit = limit;
  }

  /** Places in use, without those that were lost. */
  get active(): number {
    return this.#active;
  }

  /** Holders that lost their place and still hold something. */
  get leaving(): number {
    return this.#leaving.size + this.#cut.size;
  }

  /**
   * Takes a place; whoever gets it gives it back with `leave`.
   *
   * @param owner what the holder is counted by: an identity or an address; null: an owner of its own, as behind a trusted proxy
   * @throws TransferError RESOURCE_EXHAUSTED when there is none, and nobody has to make one.
   */
  enter(owner: string | null, holder: PlaceHolder): Place {
    while (this.#active >= this.#limit) this.#makePlace(owner);
    const place = new Place(holder, owner ?? holder, this.#clock.nowMs(), this.#leave);
    const ofOwner = this.#byOwner.get(place.owner);
    if (ofOwner === undefined) this.#byOwner.set(place.owner, new Set([place]));
    else ofOwner.add(place);
    this.#active += 1;
    this.#stopTicking ??= this.#clock.every(TICK_MS, () => this.#tick());
    return place;
  }

  /** Places of `owner`. */
  countOf(owner: string): number {
    return this.#byOwner.get(owner)?.size ?? 0;
  }

  /** Holders leave as they end; only the clock is stopped. */
  close(): void {
    this.#stopTicking?.();
    this.#stopTicking = null;
  }

  #makePlace(owner: string | null): void {
    const victim = this.#stillPlace() ?? this.#placeAboveShare(owner);
    if (victim === undefined) throw this.#refusal();
    const most = leavingPlaces(this.#limit);
    if (this.leaving >= most / 2) this.#cutOldest();
    if (this.leaving >= most) throw this.#refusal();
    this.#forget(victim);
    this.#leaving.add(victim);
    this.#counted?.counters.evictions.add(1, this.#counted.as);
    victim.holder.evict(
      new TransferError('EVICTED', `the server is full, and another peer gets this place; resume`),
    );
  }

  /** Of those without progress, the oldest of the owner with the most places. */
  #stillPlace(): Place | undefined {
    let found: Place | undefined;
    let most = 0;
    for (const place of this.#still) {
      if (!this.#isStillNow(place)) continue;
      const count = this.#byOwner.get(place.owner)?.size ?? 0;
      if (count <= most) continue;
      found = place;
      most = count;
    }
    return found;
  }

  /** It may have moved since the last tick. */
  #isStillNow(place: Place): boolean {
    const { movedBytes, isHeldUp } = place.holder;
    const hasMoved = isHeldUp || movedBytes - place.lastBytes >= (MIN_BYTES_PER_SEC * STILL_MS) / 1000;
    if (hasMoved) this.#still.delete(place);
    return !hasMoved;
  }

  /** The slowest of the owner that is furthest above its share, for one that stays within its own. */
  #placeAboveShare(owner: string | null): Place | undefined {
    const own = owner === null ? 0 : this.countOf(owner);
    const owners = this.#byOwner.size + (own === 0 ? 1 : 0);
    const share = Math.max(1, Math.floor(this.#limit / owners));
    if (own >= share) return undefined;
    let largest: Set<Place> | undefined;
    for (const places of this.#byOwner.values()) {
      if (places.size > (largest?.size ?? share)) largest = places;
    }
    return largest === undefined ? undefined : this.#slowestOf(largest);
  }

  /** Holders that the server holds up come last: work of theirs is under way that cannot be stopped. */
  #slowestOf(places: ReadonlySet<Place>): Place | undefined {
    const nowMs = this.#clock.nowMs();
    let slowest: Place | undefined;
    let least = Number.POSITIVE_INFINITY;
    let isHeldUp = true;
    for (const place of places) {
      const { holder } = place;
      const rate = (holder.movedBytes - place.earlierBytes) / Math.max(1, nowMs - place.earlierMs);
      if (holder.isHeldUp === isHeldUp ? rate >= least : holder.isHeldUp) continue;
      slowest = place;
      least = rate;
      isHeldUp = holder.isHeldUp;
    }
    return slowest;
  }

  /** Only half of `leavingPlaces` get time to end by themselves. */
  #cutOldest(): void {
    const [oldest] = this.#leaving;
    if (oldest === undefined) return;
    this.#leaving.delete(oldest);
    this.#cut.add(oldest);
    oldest.holder.cut();
  }

  #left(place: Place): void {
    if (this.#leaving.delete(place) || this.#cut.delete(place)) return;
    this.#forget(place);
    if (this.#active === 0) this.close();
  }

  #forget(place: Place): void {
    const ofOwner = this.#byOwner.get(place.owner);
    if (ofOwner === undefined || !ofOwner.delete(place)) return;
    if (ofOwner.size === 0) this.#byOwner.delete(place.owner);
    this.#still.delete(place);
    this.#active -= 1;
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    for (const places of this.#byOwner.values()) {
      for (const place of places) this.#judge(place, nowMs);
    }
  }

  #judge(place: Place, nowMs: number): void {
    const { movedBytes, isHeldUp } = place.holder;
    const overMs = nowMs - place.earlierMs;
    if (isHeldUp) {
      this.#still.delete(place);
    } else if (overMs >= STILL_MS) {
      const isStill = (movedBytes - place.earlierBytes) * 1000 < MIN_BYTES_PER_SEC * overMs;
      if (isStill) this.#still.add(place);
      else this.#still.delete(place);
    }
    // Time in which the server held the peer up does not count against the peer.
    place.earlierBytes = isHeldUp ? movedBytes : place.lastBytes;
    place.earlierMs = isHeldUp ? nowMs : place.lastMs;
    place.lastBytes = movedBytes;
    place.lastMs = nowMs;
  }

  #refusal(): TransferError {
    this.#counted?.counters.refusals.add(1, this.#counted.as);
    return new TransferError(
      'RESOURCE_EXHAUSTED',
      `the server already runs ${this.#limit} ${this.#what}, which is its limit; try again later`,
    );
  }
}

const SYSTEM_CLOCK: PlaceClock = {
  nowMs: () => performance.now(),
  every(intervalMs, tick) {
    const timer = setInterval(tick, intervalMs).unref();
    return () => clearInterval(timer);
  },
};
