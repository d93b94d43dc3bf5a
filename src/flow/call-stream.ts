/**
 * The HTTP/2 stream below a call of grpc-js, which has no public way to it. The
 * seams are private and differ by side; `windowsWork` tests them at start.
 */
import type { Http2Stream } from 'node:http2';

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
