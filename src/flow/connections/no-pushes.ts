/**
 * Clients take no pushed streams, and say so in their SETTINGS, as gRPC clients
 * in other languages do. grpc-js leaves pushes on and ignores them: nobody
 * listens for the errors of a pushed stream, so a server that pushes one and
 * then breaks the connection would end the process of the client.
 *
 * grpc-js has no option for it, so `connect` of node:http2 is wrapped. Sessions
 * that grpc-js did not ask for are made as before.
 */
import http2 from 'node:http2';

let isWrapped = false;

/** For all clients of grpc-js in this process, from now on. Safe to call again. */
export function refusePushes(): void {
  if (isWrapped) return;
  isWrapped = true;
  http2.connect = new Proxy(http2.connect, {
    apply: (connect, self, [authority, options, ...rest]: Arguments) =>
      Reflect.apply(connect, self, [authority, withoutPushes(options), ...rest]),
  });
}

type Arguments = Parameters<typeof http2.connect>;

function withoutPushes(options: Arguments[1]): Arguments[1] {
  // By what no other user of node:http2 sets.
  const isOfGrpc = options?.maxSendHeaderBlockLength === Number.MAX_SAFE_INTEGER;
  return isOfGrpc ? { ...options, settings: { ...options.settings, enablePush: false } } : options;
}
