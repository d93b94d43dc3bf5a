/** Who makes a call, by the proofs that an access file names. */
import type { X509Certificate } from 'node:crypto';
import { TransferError } from '../base/errors.ts';
import type { AccessRules } from './access-schema.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { Certificates } from './proofs/certificates.ts';
import { JwtIssuers } from './proofs/jwt.ts';
import type { KeySet } from './proofs/key-set.ts';
import { StaticTokens } from './proofs/tokens.ts';
import { current, notAccepted } from './unauthenticated.ts';

/** What a call says about who makes it. */
export interface AccessRequest {
  /** Of the call, in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the connection, where it presented one that `tls.clientCa` has signed. */
  readonly peerCertificate: X509Certificate | undefined;
  /** Of the connection; undefined for a Unix socket. */
  readonly address: string | undefined;
}

export class Authenticator {
  readonly #tokens: StaticTokens;
  readonly #jwt: JwtIssuers | null;
  readonly #certificates: Certificates | null;

  /** @param keysAt the keys at a place that an entry of `jwt` names */
  constructor({ certificates, jwt, tokens }: AccessRules, keysAt: (place: string) => KeySet) {
    this.#tokens = new StaticTokens(tokens);
    const issuers = jwt.map((issuer) => ({ issuer, keys: keysAt(issuer.jwks) }));
    this.#jwt = issuers.length === 0 ? null : new JwtIssuers(issuers);
    this.#certificates = certificates.length === 0 ? null : new Certificates(certificates);
  }

  /**
   * Who it is; ANONYMOUS without any proof. What a caller says goes before the certificate of its connection. A
   * promise only while a signature is checked for the first time.
   *
   * @throws TransferError UNAUTHENTICATED for a proof that is none, or none any more.
   */
  identify(request: AccessRequest): Identity | Promise<Identity> {
    const { authorization } = request.headers;
    if (authorization !== undefined) return this.#ofToken(bearerOf(authorization));
    if (this.#certificates === null || request.peerCertificate === undefined) return ANONYMOUS;
    const identity = this.#certificates.identityOf(request.peerCertificate);
    return identity === null ? ANONYMOUS : current(identity);
  }

  #ofToken(token: string): Identity | Promise<Identity> {
    const known = this.#tokens.identityOf(token);
    if (known !== undefined) return current(known);
    if (this.#jwt !== null && token.split('.').length === 3) return this.#jwt.identify(token);
    throw notAccepted();
  }
}

function bearerOf(authorization: string | string[]): string {
  const [, token] = /^bearer +([\x21-\x7e]+) *$/i.exec(String(authorization)) ?? [];
  if (token !== undefined) return token;
  throw new TransferError(
    'UNAUTHENTICATED',
    'the authorization is not "Bearer TOKEN"; send a token in this form',
  );
}
