/**
 * The receive windows of a server's connections. grpc-js leaves them at the
 * 64 KiB of HTTP/2 and has no option for it; a session is reached through the
 * first upload on it, whose window grows with the settings.
 *
 * Node returns the credit of a connection as soon as bytes arrive and that of a
 * stream only when they are read: so what a stream that is not read can pile up
 * here is its own window, whatever the connection's.
 */
import type { Http2Session } from 'node:http2';
import { MIB } from '../base/units.ts';

/** Enough for many streams at once; nothing is ever stored against it. */
const CONNECTION_WINDOW_BYTES = 64 * MIB;

const widened = new WeakSet<Http2Session>();

/** Sees to windows of `windowBytes` for the streams of `session`, those that exist included. */
export function widenWindows(session: Http2Session | undefined, windowBytes: number): void {
  if (session === undefined || session.destroyed || widened.has(session)) return;
  widened.add(session);
  session.settings({ initialWindowSize: windowBytes });
  session.setLocalWindowSize(Math.max(CONNECTION_WINDOW_BYTES, windowBytes));
}
