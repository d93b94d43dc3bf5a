/**
 * The keys that an issuer of JWTs signs with, as a JWKS in a file or at an https
 * address. They are read from time to time and when a token names a key that is
 * not among them, never for each token; what was read last stays in use while
 * nothing newer can be had.
 */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { TransferError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { KIB } from '../../base/units.ts';

/** Addresses are asked, and files read, no more often than the first and at least as often as the second. */
const ADDRESS_TIMES = { cooldownMs: 30_000, freshMs: 600_000 };
const FILE_TIMES = { cooldownMs: 1_000, freshMs: 10_000 };

/** While there are no keys at all, somebody waits for them. */
const FIRST_COOLDOWN_MS = 5_000;

const FETCH_TIMEOUT_MS = 5_000;

const MAX_BYTES = 256 * KIB;

export class KeySet {
  readonly #place: string;
  readonly #logger: Logger;
  readonly #times: typeof ADDRESS_TIMES;
  readonly #now: () => number;
  #text = '';
  #keys: JWTVerifyGetKey | null = null;
  #readMs = Number.NEGATIVE_INFINITY;
  #triedMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  /** The keys are others than they were. */
  onChange: () => void = () => {};

  /** @param now milliseconds of a clock that never goes back */
  constructor(place: string, logger: Logger, now = () => performance.now()) {
    this.#place = place;
    this.#logger = logger;
    this.#times = place.includes('://') ? ADDRESS_TIMES : FILE_TIMES;
    this.#now = now;
  }

  /** The key that a token names, for jose. Throws UNAVAILABLE while there are no keys. */
  readonly keyOf: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys === null) await this.refresh();
    else if (this.#now() - this.#readMs >= this.#times.freshMs) void this.refresh();
    try {
      return await this.#known()(header, token);
    } catch (reason) {
      if (!(reason instanceof errors.JWKSNoMatchingKey)) throw reason;
      await this.refresh();
      return await this.#known()(header, token);
    }
  };

  /** Reads the keys, unless that was tried a moment ago. Never rejects: the keys that are there stay. */
  refresh(): Promise<void> {
    const cooldownMs = this.#keys === null ? FIRST_COOLDOWN_MS : this.#times.cooldownMs;
    if (this.#reading === null && this.#now() - this.#triedMs < cooldownMs) return Promise.resolve();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  #known(): JWTVerifyGetKey {
    if (this.#keys !== null) return this.#keys;
    throw new TransferError(
      'UNAVAILABLE',
      'the server cannot check tokens now, because it has not reached their issuer; try again later',
    );
  }

  async #read(): Promise<void> {
    this.#triedMs = this.#now();
    try {
      const text = await (this.#place.includes('://') ? fetched(this.#place) : readFile(this.#place, 'utf8'));
      const keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      this.#readMs = this.#now();
      if (text === this.#text) return;
      this.#text = text;
      this.#keys = keys;
      this.onChange();
    } catch (reason) {
      const problem = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
      this.#logger.warn(
        { jwks: this.#place, problem },
        'the keys of an issuer cannot be read; the last ones stay in use',
      );
    }
  }
}

async function fetched(address: string): Promise<string> {
  const response = await fetch(address, {
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    headers: { accept: 'application/json' },
  });
  if (!response.ok || response.body === null) throw new Error(`the answer is ${response.status}`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MAX_BYTES) throw new Error(`the answer is longer than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
