/** Who makes a call. Decided once, before anything is done for the call. */

/** How an identity was proved; `own`: by a function that the server was given. */
export type Proof = 'anonymous' | 'token' | 'jwt' | 'certificate' | 'own';

export interface Identity {
  /** Unique among all identities of a server. */
  readonly name: string;
  /** Groups that the proof itself names; those of the access file come on top. */
  readonly groups: readonly string[];
  readonly proof: Proof;
  /** When the proof expires, in milliseconds since the epoch; Infinity: never. */
  readonly expiresMs: number;
}

/** Nobody has said who they are. */
export const ANONYMOUS: Identity = {
  name: 'anonymous',
  groups: [],
  proof: 'anonymous',
  expiresMs: Number.POSITIVE_INFINITY,
};

/**
 * What a peer is counted by: its identity where it has one, else its address. An
 * identity that is called like an address would only share places with it.
 *
 * @param address null: the peer counts alone
 */
export function ownerOf(identity: Identity, address: string | null): string | null {
  return identity.proof === 'anonymous' ? address : identity.name;
}
