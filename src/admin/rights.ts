/** Who may see a server, and who may interfere. */
import { isLoopbackKey } from '../base/peer-address.ts';
import type { Identity } from '../service/prelude/identity.ts';

/** observe: see everything. control: end transfers, discard uploads. */
export type AdminRight = 'observe' | 'control';

/** Whether an identity has a right; `isLocal`: it comes over the loopback interface or a Unix socket. */
export type MayAdminister = (identity: Identity, right: AdminRight, isLocal: boolean) => boolean;

/** Without access rules: whoever has an account on the machine. */
export const localPeersOnly: MayAdminister = (_identity, _right, isLocal) => isLocal;

/**
 * Whether a peer is on this machine. Behind a trusted proxy nobody is, wherever the proxy runs.
 *
 * @param isUnix the server listens on a Unix socket
 */
export function isLocalPeer({ address }: Identity, isUnix: boolean): boolean {
  return isUnix || (address !== null && isLoopbackKey(address));
}
