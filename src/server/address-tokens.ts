/**
 * Wasted streams cost tokens of their connection and of their address. Both
 * buckets refill with time.
 */
import { TokenBucket } from '../base/async/token-bucket.ts';

/** A new connection may make several times its calls before it knows how many it may have: those are refused, and tried again. */
const CONNECTION_BURSTS = 4;

/** An address may spend the bursts of this many connections. */
const ADDRESS_BURSTS = 8;

/** A burst is refilled in this time: a reset stream leaves 13 KB of garbage, which is collected late. */
const REFILL_SEC = 16;

/** Clients rarely cause such an answer: hundreds at once are a flood. */
const FAULT_TOKENS = 8;

/** How long an address without tokens is refused: short, because other clients may share it. */
const BAN_MS = 1000;

/** With this many addresses, those with all their tokens are forgotten. */
const SWEEP_FROM = 1000;

interface AddressState {
  bucket: TokenBucket;
  bannedUntilMs: number;
}

/** The tokens that one connection lives on. */
export interface ConnectionTokens {
  /** Pays for a stream that came to nothing, or was at fault; the answer tells what ran out, if something did. */
  take(nowMs: number, isFault: boolean): 'paid' | 'connection' | 'address';
  /** Pays for what no client does and what ends its connection: as much as all tokens of a connection. */
  takeAll(nowMs: number): void;
}

export class AddressTokens {
  readonly #burst: number;
  readonly #addresses = new Map<string, AddressState>();
  #sweepFrom = SWEEP_FROM;

  constructor(streamsPerConnection: number) {
    this.#burst = CONNECTION_BURSTS * streamsPerConnection;
  }

  isBanned(address: string, nowMs: number): boolean {
    return (this.#addresses.get(address)?.bannedUntilMs ?? 0) > nowMs;
  }

  /** @param address null: clients behind it cannot be told apart, and pay for themselves alone */
  ofConnection(address: string | null, nowMs: number): ConnectionTokens {
    const own = bucketOf(this.#burst, nowMs);
    return {
      take: (takenMs, isFault) => {
        const count = isFault ? FAULT_TOKENS : 1;
        const isPaid = own.take(takenMs, count);
        if (address !== null && !this.#takeOf(address, takenMs, count)) return 'address';
        return isPaid ? 'paid' : 'connection';
      },
      takeAll: (takenMs) => {
        if (address !== null) this.#takeOf(address, takenMs, this.#burst);
      },
    };
  }

  #takeOf(address: string, nowMs: number, count: number): boolean {
    let state = this.#addresses.get(address);
    if (state === undefined) {
      if (this.#addresses.size >= this.#sweepFrom) this.#sweep(nowMs);
      state = { bucket: bucketOf(ADDRESS_BURSTS * this.#burst, nowMs), bannedUntilMs: 0 };
      this.#addresses.set(address, state);
    }
    if (state.bucket.take(nowMs, count)) return true;
    state.bannedUntilMs = nowMs + BAN_MS;
    return false;
  }

  #sweep(nowMs: number): void {
    for (const [address, { bucket }] of this.#addresses) {
      if (bucket.isFull(nowMs)) this.#addresses.delete(address);
    }
    // Not with each new address, while many spend tokens.
    this.#sweepFrom = Math.max(SWEEP_FROM, 2 * this.#addresses.size);
  }
}

function bucketOf(burst: number, nowMs: number): TokenBucket {
  return new TokenBucket(burst, burst / REFILL_SEC, nowMs);
}
