/** Who makes a call. Decided once, before anything is done for the call. */
import type { PeerAddresses } from '../../base/peer-address.ts';

export interface Identity {
  /** Nobody has to say who they are. */
  readonly kind: 'anonymous';
  /** The address that the peer is counted by; null: counted alone. */
  readonly address: string | null;
}

/** The identity behind a connection; its socket is gone where it ended already. */
export function identityOf(
  peers: PeerAddresses,
  socket: { readonly remoteAddress?: string | undefined } | undefined,
): Identity {
  return { kind: 'anonymous', address: socket === undefined ? null : peers.of(socket) };
}
