/** Who makes a call, by the proofs that an access file names. */
import type { X509Certificate } from 'node:crypto';
import { TransferError } from '../base/errors.ts';
import type { AccessRules } from './access-file.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { StaticTokens } from './tokens.ts';

/** What a call says about who makes it. */
export interface AccessRequest {
  /** Of the call, in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the connection, where it presented one that `tls.clientCa` has signed. */
  readonly certificate: X509Certificate | undefined;
  /** Of the connection; undefined for a Unix socket. */
  readonly address: string | undefined;
}

export class Authenticator {
  readonly #tokens: StaticTokens;

  constructor(rules: AccessRules) {
    this.#tokens = new StaticTokens(rules.tokens);
  }

  /**
   * Who it is; ANONYMOUS without any proof. A promise only while a signature is checked for the first time.
   *
   * @throws TransferError UNAUTHENTICATED for a proof that is none, or none any more.
   */
  identify({ headers }: AccessRequest): Identity | Promise<Identity> {
    const { authorization } = headers;
    if (authorization === undefined) return ANONYMOUS;
    const token = bearerOf(authorization);
    const known = this.#tokens.identityOf(token);
    if (known === undefined) throw new TransferError('UNAUTHENTICATED', NOT_ACCEPTED);
    return current(known);
  }
}

/** `identity` itself; throws UNAUTHENTICATED when its proof has expired. */
function current(identity: Identity): Identity {
  if (identity.expiresMs > Date.now()) return identity;
  throw expired();
}

export function expired(): TransferError {
  return new TransferError(
    'UNAUTHENTICATED',
    'the proof of who you are has expired; get a new one, and resume',
  );
}

function bearerOf(authorization: string | string[]): string {
  const [, token] = /^bearer +([\x21-\x7e]+) *$/i.exec(String(authorization)) ?? [];
  if (token !== undefined) return token;
  throw new TransferError(
    'UNAUTHENTICATED',
    'the authorization is not "Bearer TOKEN"; send a token in this form',
  );
}

const NOT_ACCEPTED = 'the token is none that this server accepts; ask its operator for one';
