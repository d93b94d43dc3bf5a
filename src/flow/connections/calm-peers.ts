/**
 * Peers that do not want to be pinged. Other servers count pings: grpc-go,
 * grpc-java and gRPC's core allow one in five minutes and forgive two more until
 * they send HEADERS or DATA again; then they end the connection
 * (ENHANCE_YOUR_CALM). So a ping is sent only after new data, and a peer that has
 * once objected is pinged no more.
 */
import { constants, type Http2Session } from 'node:http2';

const MAX_CALM_PEERS = 1_000;

/** By address. */
const calm = new Set<string>();
const peers = new WeakMap<Http2Session, string>();

/** Whether pings may measure the link of a session that is not destroyed; from the first question on, its peer's objection counts. */
export function mayMeasure(session: Http2Session): boolean {
  return !calm.has(peers.get(session) ?? watch(session));
}

function watch(session: Http2Session): string {
  const { remoteAddress, remotePort } = session.socket;
  const peer = `${remoteAddress} ${remotePort}`;
  peers.set(session, peer);
  session.once('goaway', (code) => {
    if (code !== constants.NGHTTP2_ENHANCE_YOUR_CALM) return;
    calm.add(peer);
    const [oldest] = calm;
    if (calm.size > MAX_CALM_PEERS) calm.delete(oldest as string);
  });
  return peer;
}
