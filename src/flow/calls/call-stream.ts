/**
 * The HTTP/2 stream below a call of grpc-js.
 *
 * Node 22 and later tell of every stream in public: `watchClientStreams`. The
 * seams into grpc-js, which Node 20 needs and servers use anyway, are private;
 * `windowsWork` tests them at start.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientHttp2Stream, Http2Stream, IncomingHttpHeaders } from 'node:http2';

/** What is used of grpc-js' ResolvingCall: attempts, the newest last. */
interface ResolvingCall {
  child?: { underlyingCalls?: { call?: { child?: { http2Stream?: Http2Stream } | null } }[] } | null;
}

/** Of a call that a client made: known from its `metadata` event on. */
export function clientStreamOf(call: object): Http2Stream | undefined {
  const { call: intercepting } = call as { call?: { call?: ResolvingCall } };
  return intercepting?.call?.child?.underlyingCalls?.at(-1)?.call?.child?.http2Stream;
}

/** Of a call that a server handles. */
export function serverStreamOf(call: object): Http2Stream | undefined {
  return (call as { call?: { stream?: Http2Stream } }).call?.stream;
}

/** Node 20 has no such channel: subscribing is allowed, and nothing comes. */
const STREAM_CREATED = 'http2.client.stream.created';

/**
 * Tells of each stream that a client of this process begins, as it begins,
 * where the user agent starts with `userAgent` (grpc.primary_user_agent).
 * Returns what ends it.
 */
export function watchClientStreams(
  userAgent: string,
  onStream: (stream: ClientHttp2Stream, headers: IncomingHttpHeaders) => void,
): () => void {
  const onCreated = (message: unknown) => {
    const { stream, headers } = message as { stream: ClientHttp2Stream; headers: IncomingHttpHeaders };
    if (String(headers['user-agent']).startsWith(userAgent)) onStream(stream, headers);
  };
  subscribe(STREAM_CREATED, onCreated);
  return () => unsubscribe(STREAM_CREATED, onCreated);
}
