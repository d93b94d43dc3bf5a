/**
 * JWTs of the issuers that an access file names. A verified one is remembered by
 * its hash until it expires, or the keys of its issuer change.
 */
import { hash as hashOf } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { TransferError } from '../../base/errors.ts';
import type { JwtIssuer } from '../access-schema.ts';
import type { Identity } from '../identity.ts';
import { current, expired, notAccepted } from '../unauthenticated.ts';
import type { KeySet } from './key-set.ts';

/** Clocks may differ by this much. */
const SKEW_SEC = 30;

/** Longer ones are refused unread; headers are bounded anyway. */
const MAX_CHARS = 8192;

/** The oldest are forgotten, and verified again. */
const MAX_VERIFIED = 4096;

/** Tokens that are verified at the same time; each waits for a thread, and perhaps for the keys of its issuer. */
const MAX_PENDING = 64;

/** Of a name, or of the name of a group. */
const NAME = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,256}$/u;

const MAX_GROUPS = 256;

/** An issuer, with its keys. */
export interface KnownIssuer {
  readonly issuer: JwtIssuer;
  readonly keys: KeySet;
}

export class JwtIssuers {
  readonly #byName: ReadonlyMap<string, KnownIssuer>;
  readonly #verified = new Map<string, Identity>();
  readonly #pending = new Map<string, Promise<Identity>>();

  constructor(issuers: readonly KnownIssuer[]) {
    this.#byName = new Map(issuers.map((known) => [known.issuer.issuer, known]));
    for (const { keys } of issuers) {
      keys.onChange = () => this.#verified.clear();
      void keys.refresh();
    }
  }

  /**
   * Whose token it is. A promise the first time.
   *
   * @throws TransferError UNAUTHENTICATED, or rejects with it; UNAVAILABLE without keys.
   */
  identify(token: string): Identity | Promise<Identity> {
    const hash = hashOf('sha256', token, 'base64');
    const known = this.#verified.get(hash);
    if (known !== undefined) return current(known);
    const pending = this.#pending.get(hash);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= MAX_PENDING) throw new TransferError('UNAVAILABLE', TOO_MANY);
    const verifying = this.#verify(token, hash).finally(() => this.#pending.delete(hash));
    this.#pending.set(hash, verifying);
    return verifying;
  }

  async #verify(token: string, hash: string): Promise<Identity> {
    const { issuer, keys } = this.#issuerOf(token);
    const { algorithms, audience } = issuer;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, keys.keyOf, {
        algorithms,
        audience,
        issuer: issuer.issuer,
        clockTolerance: SKEW_SEC,
        requiredClaims: ['exp', issuer.identity],
      }));
    } catch (reason) {
      throw refusalOf(reason);
    }
    const identity = identityIn(payload, issuer);
    if (this.#verified.size >= MAX_VERIFIED)
      this.#verified.delete(this.#verified.keys().next().value as string);
    this.#verified.set(hash, identity);
    return identity;
  }

  /** As the token itself says; its signature shows whether that is true. */
  #issuerOf(token: string): KnownIssuer {
    if (token.length > MAX_CHARS) throw notAccepted();
    let named: unknown;
    try {
      named = decodeJwt(token).iss;
    } catch (cause) {
      throw notAccepted(cause);
    }
    const known = typeof named === 'string' ? this.#byName.get(named) : undefined;
    if (known === undefined) throw notAccepted();
    return known;
  }
}

function identityIn(
  payload: JWTPayload,
  { groups: groupsClaim, identity: nameClaim, prefix }: JwtIssuer,
): Identity {
  const { [nameClaim]: name, exp = 0 } = payload;
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TransferError(
      'UNAUTHENTICATED',
      `the claim "${nameClaim}" of the token is no name of somebody`,
    );
  }
  const claimed = groupsClaim === undefined ? [] : [payload[groupsClaim]].flat();
  const groups = claimed.filter((group): group is string => typeof group === 'string' && NAME.test(group));
  return {
    name: prefix + name,
    groups: groups.slice(0, MAX_GROUPS).map((group) => prefix + group),
    proof: 'jwt',
    expiresMs: (exp + SKEW_SEC) * 1000,
  };
}

/** What is wrong with it, as far as that helps its owner. */
function refusalOf(reason: unknown): TransferError {
  if (reason instanceof TransferError) return reason;
  if (reason instanceof errors.JWTExpired) return expired();
  if (reason instanceof errors.JWTClaimValidationFailed) {
    const message = `the claim "${reason.claim}" of the token is not what this server asks for; get one for this server`;
    return new TransferError('UNAUTHENTICATED', message, { cause: reason });
  }
  return notAccepted(reason);
}

const TOO_MANY = 'the server checks as many tokens as it can at a time; try again';
