/** Who may see a server, and who may interfere. */
import type { Identity } from '../access/identity.ts';
import type { ServerRight } from '../access/rights.ts';
import { isLoopbackKey } from '../base/peer-address.ts';

/** Whether an identity has a right; `isLocal`: it comes over the loopback interface or a Unix socket. */
export type MayAdminister = (identity: Identity, right: ServerRight, isLocal: boolean) => boolean;

/** Without access rules: whoever has an account on the machine. */
export const localPeersOnly: MayAdminister = (_identity, _right, isLocal) => isLocal;

/**
 * Whether a peer is on this machine. Behind a trusted proxy nobody is, wherever the proxy runs.
 *
 * @param address that the peer is counted by
 * @param isUnix the server listens on a Unix socket
 */
export function isLocalPeer(address: string | null, isUnix: boolean): boolean {
  return isUnix || (address !== null && isLoopbackKey(address));
}
