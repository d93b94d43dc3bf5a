/** A gRPC server and a client of it on loopback, for the self-tests at start. */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChannelOptions,
  Client,
  type ClientWritableStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type UntypedHandleCall,
} from '@grpc/grpc-js';

/** A self-test takes milliseconds; one that takes this long has failed. */
export const TEST_TIMEOUT_MS = 3000;

export interface SelfTestMethod {
  path: string;
  type: 'serverStream' | 'clientStream';
  handle: UntypedHandleCall;
}

/** Runs `test` with a client of a server that has one method; false when anything goes wrong, or takes long. */
export async function selfTest(
  method: SelfTestMethod,
  test: (client: Client) => Promise<boolean>,
  options: ChannelOptions = {},
): Promise<boolean> {
  const server = new Server({ 'grpc.enable_channelz': 0 });
  server.register(method.path, method.handle, passThrough, passThrough, method.type);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  const isOver = new AbortController();
  let client: Client | undefined;
  try {
    const port = await new Promise<number>((resolve, reject) => {
      listener.once('error', reject);
      // Exclusive: not a port that the processes of a cluster share.
      listener.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () =>
        resolve((listener.address() as { port: number }).port),
      );
    });
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      // A proxy cannot reach the loopback of this machine.
      'grpc.enable_http_proxy': 0,
      ...options,
    });
    const expiry = sleep(TEST_TIMEOUT_MS, false, { signal: isOver.signal });
    expiry.catch(() => {});
    return await Promise.race([test(client), expiry]);
  } catch {
    return false;
  } finally {
    isOver.abort();
    client?.close();
    listener.close();
    server.forceShutdown();
  }
}

/** The answer to the client stream that `send` writes and ends, or cancels. */
export function clientStream(
  client: Client,
  path: string,
  send: (call: ClientWritableStream<Buffer>) => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest<Buffer, Buffer>(
      path,
      passThrough,
      passThrough,
      new Metadata(),
      { deadline: Date.now() + TEST_TIMEOUT_MS },
      (error, answer) => (answer === undefined ? reject(error ?? new Error('no answer')) : resolve(answer)),
    );
    send(call);
  });
}

export function passThrough(bytes: Buffer): Buffer {
  return bytes;
}
