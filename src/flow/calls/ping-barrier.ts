/**
 * Barriers behind what was written: HTTP/2 pings, which queue behind all DATA
 * of their session, so that their echoes tell when it has arrived.
 */
import type { Http2Session } from 'node:http2';

/** Barriers of all calls of a session; node:http2 allows ten pings, and keepalive and others need theirs. */
const MAX_BARRIERS = 6;

const underWay = new WeakMap<Http2Session, number>();

/** False when there can be no barrier now; else `echoed` runs once the peer has what was written, unless the session ends before. */
export function pingBarrier(session: Http2Session | undefined, echoed: () => void): boolean {
  if (session === undefined || session.destroyed || session.closed) return false;
  const before = underWay.get(session) ?? 0;
  if (before >= MAX_BARRIERS) return false;
  underWay.set(session, before + 1);
  // Called also for a ping that was not sent.
  return session.ping((error) => {
    underWay.set(session, (underWay.get(session) ?? 1) - 1);
    if (error === null) echoed();
  });
}
