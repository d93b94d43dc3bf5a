/** A gRPC server with one streaming call that a test handles as a BulkCall, and clients that see the bytes. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import {
  type AddressInfo,
  createServer,
  type Server as NetServer,
  connect as netConnect,
  type Socket,
} from 'node:net';
import {
  Client,
  type ClientReadableStream,
  credentials,
  type handleServerStreamingCall,
  Server,
} from '@grpc/grpc-js';
import { BulkCall } from '../../../src/flow/calls/bulk-call.ts';
import { passThrough } from '../../../src/flow/self-tests/self-test-server.ts';
import type { Scope } from '../../support/test-engine.ts';
import { type InjectedServer, letConnectionsIn } from './injected-server.ts';

const PATH = '/test.Bulk/Stream';

export type TestCall = BulkCall<Buffer, Buffer>;

/** `handle` gets each call; messages are plain bytes. */
export async function serveBulk(
  scope: Scope,
  zeroCopy: boolean,
  handle: (call: TestCall) => unknown,
  stallTimeoutMs = 60_000,
): Promise<InjectedServer> {
  const server = new Server({ 'grpc.enable_channelz': 0, 'grpc.max_send_message_length': -1 });
  const onCall: handleServerStreamingCall<Buffer, Buffer> = (call) =>
    handle(new BulkCall<Buffer, Buffer>(call, zeroCopy, stallTimeoutMs));
  server.register(PATH, onCall, passThrough, passThrough, 'serverStream');
  return await letConnectionsIn(scope, server);
}

/** The messages that a grpc-js client receives. */
export function grpcCall(scope: Scope, port: number): ClientReadableStream<Buffer> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });
  scope.after(() => client.close());
  const passThrough = (bytes: Buffer) => bytes;
  return client.makeServerStreamRequest(PATH, passThrough, passThrough, Buffer.alloc(0));
}

export async function messagesOf(call: ClientReadableStream<Buffer>): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  for await (const message of call) messages.push(message as Buffer);
  return messages;
}

export interface RawCall {
  session: ClientHttp2Session;
  stream: ClientHttp2Stream;
  /** Resolves when the stream has closed, however it did, with all bytes of its DATA frames. */
  body: Promise<Buffer>;
}

/** A client that lets the server have `windowBytes` on the way, and never less on the connection. */
export async function rawCall(scope: Scope, port: number, windowBytes = 2 ** 28): Promise<RawCall> {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: windowBytes } });
  session.on('error', () => {});
  scope.after(() => session.destroy());
  await once(session, 'remoteSettings');
  session.setLocalWindowSize(2 ** 28);
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => {});
  stream.end(Buffer.alloc(5));
  return { session, stream, body: once(stream, 'close').then(() => Buffer.concat(chunks)) };
}

export interface Gate {
  port: number;
  /** What has gone from the server to the client. */
  passed: Buffer[];
  /** Stops taking bytes from one end; those of the other go on. */
  shut(): void;
  open(): void;
}

/** A TCP proxy in front of `port` that can stop reading from the server, or from clients. */
export async function gateTo(
  scope: Scope,
  port: number,
  from: 'server' | 'client' = 'server',
): Promise<Gate> {
  const passed: Buffer[] = [];
  const servers: Socket[] = [];
  const gated: Socket[] = [];
  const proxy = createServer((client) => {
    const server = netConnect(port, '127.0.0.1');
    servers.push(server);
    gated.push(from === 'server' ? server : client);
    for (const socket of [client, server]) socket.on('error', () => {});
    server.on('data', (bytes) => {
      passed.push(bytes);
      client.write(bytes);
    });
    client.on('data', (bytes) => server.write(bytes));
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
  scope.after(() => {
    for (const server of servers) server.destroy();
    proxy.close();
  });
  return {
    port: await listening(proxy),
    passed,
    shut: () => gated.forEach((end) => void end.pause()),
    open: () => gated.forEach((end) => void end.resume()),
  };
}

async function listening(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A run in shared memory: frames of messages that are `fills[i]` over and over. */
export function runOf(fills: number[], messageBytes: number): Uint8Array<SharedArrayBuffer> {
  const frameBytes = 5 + messageBytes;
  const run = new Uint8Array(new SharedArrayBuffer(fills.length * frameBytes));
  for (const [i, fill] of fills.entries()) {
    new DataView(run.buffer).setUint32(i * frameBytes + 1, messageBytes);
    run.fill(fill, i * frameBytes + 5, (i + 1) * frameBytes);
  }
  return run;
}
