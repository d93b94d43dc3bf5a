/**
 * Static tokens: long random texts, of which only the SHA-256 is stored. A token
 * has so much randomness that a plain hash of it cannot be reversed.
 */
import { hash as hashOf, randomBytes, timingSafeEqual } from 'node:crypto';
import type { AccessRules } from '../access-schema.ts';
import type { Identity } from '../identity.ts';

/** By which tokens are recognised where they should not be: in logs, repositories and pastes. */
const TOKEN_PREFIX = 'sluice_';

const TOKEN_BYTES = 32;

export function newToken(): string {
  return TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
}

/** As the access file has it: hexadecimal. */
export function tokenHash(token: string): string {
  return hashOf('sha256', token);
}

export class StaticTokens {
  readonly #byHash: ReadonlyMap<string, { readonly hash: Buffer; readonly identity: Identity }>;

  constructor(tokens: AccessRules['tokens']) {
    this.#byHash = new Map(
      tokens.map(({ expires, identity: name, sha256 }) => {
        const expiresMs = expires ?? Number.POSITIVE_INFINITY;
        const identity: Identity = { name, groups: [], proof: 'token', expiresMs };
        return [sha256, { hash: Buffer.from(sha256, 'hex'), identity }];
      }),
    );
  }

  /** Whose token it is, expired or not; undefined where it is none of these. */
  identityOf(token: string): Identity | undefined {
    const presented = hashOf('sha256', token, 'buffer');
    // The look-up takes a time that depends on hashes only, of which a peer cannot choose the beginning.
    const found = this.#byHash.get(presented.toString('hex'));
    return found !== undefined && timingSafeEqual(found.hash, presented) ? found.identity : undefined;
  }
}
