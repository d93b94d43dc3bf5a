/**
 * What proves to a server who calls. It is asked for again for each call, so that
 * a proof that expires during a long transfer is renewed; it is in no error.
 */
import { CallCredentials, Metadata, status } from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';

/** A token, or a function that has one whenever it is asked: for each call, from a cache of its own. */
export type TokenSource = string | (() => string | Promise<string>);

/** Metadata for one call, by lower-case keys. Called for each call. */
export type MetadataSource = () =>
  | Readonly<Record<string, string>>
  | Promise<Readonly<Record<string, string>>>;

export interface ProofOptions {
  /**
   * Proves who calls: a token of the server, or a JWT. A function is called for each call, and a call that is
   * UNAUTHENTICATED is made once more, so it must not give out a token that has expired. Default: none.
   */
  token?: TokenSource | undefined;
  /** More metadata for each call, such as what a gateway asks for. Default: none. */
  metadata?: MetadataSource | undefined;
}

/** How grpc-js begins its message where `callCredentialsOf` has failed. */
export const NO_PROOF = /^Getting metadata from plugin failed with error: /;

/** What a token can be made of in a header; a line break in a file would end in an error of HTTP/2. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Undefined where nothing is to go with calls. Throws INVALID_ARGUMENT for a text that cannot be a token. */
export function callCredentialsOf({ metadata, token }: ProofOptions): CallCredentials | undefined {
  if (token === undefined && metadata === undefined) return undefined;
  if (typeof token === 'string') checkToken(token);
  return CallCredentials.createFromMetadataGenerator((_call, done) => {
    metadataOf({ metadata, token }).then(
      (proof) => done(null, proof),
      (cause: unknown) => done(failure(cause)),
    );
  });
}

/** A new one may be had where the last was refused. */
export function isRenewable({ metadata, token }: ProofOptions): boolean {
  return typeof token === 'function' || metadata !== undefined;
}

async function metadataOf({ metadata, token }: ProofOptions): Promise<Metadata> {
  const proof = new Metadata();
  for (const [key, value] of Object.entries((await metadata?.()) ?? {})) proof.set(key, value);
  if (token !== undefined) {
    const given = typeof token === 'string' ? token : await token();
    checkToken(given);
    proof.set('authorization', `Bearer ${given}`);
  }
  return proof;
}

function checkToken(token: unknown): void {
  if (typeof token === 'string' && TOKEN.test(token)) return;
  throw new TransferError('INVALID_ARGUMENT', 'token is empty, or has characters that no token has');
}

/** grpc-js ends the call with the code. */
function failure(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  return Object.assign(new Error(`the token for the call cannot be had: ${why}`), {
    code: status.UNAUTHENTICATED,
  });
}
