/** The timeouts of the gate, with real sockets and times of a test. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { Counters } from '../../src/base/counters/counters.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { PeerAddresses } from '../../src/base/peer-address.ts';
import { HeldStream } from '../../src/flow/gate/held-stream.ts';
import { gateStreams } from '../../src/flow/gate/stream-gate.ts';
import { Gate } from '../../src/server/gate.ts';
import { callBlock, continuation, data, headers, literal, opening } from '../support/peers/h2-frames.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { until, within } from '../support/until.ts';

const TIMEOUT_MS = 100;
const PATH = '/test.Service/Echo';

/** A gate before a gRPC server with one method, which answers what it gets. */
async function gated(t: TestContext): Promise<{ counters: Counters; port: number; sockets: Set<Socket> }> {
  const counters = new Counters();
  const grpc = new Server({ 'grpc.enable_channelz': 0 });
  const pass = (bytes: Buffer) => bytes;
  grpc.register(
    PATH,
    (call: { request: Buffer }, respond: (e: null, b: Buffer) => void) => respond(null, call.request),
    pass,
    pass,
    'unary',
  );
  const streams = gateStreams(grpc, ServerCredentials.createInsecure(), {
    connectionOf: (socket) => gate.connectionOf(socket),
    admit: (stream) => new HeldStream(stream, 'one'),
    takesStream: () => false,
    speaksFirst: () => false,
    requestTimeoutMs: TIMEOUT_MS,
  });
  assert(streams.isGuarded);
  const gate = new Gate({
    connections: 100,
    streamsPerConnection: 100,
    isSecure: false,
    peers: new PeerAddresses(),
    logger: silentLogger,
    counters,
    firstRequestTimeoutMs: TIMEOUT_MS,
    inject: (socket) => streams.inject(socket),
  });
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    gate.accept(socket);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
    grpc.forceShutdown();
    gate.close();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return { counters, port: (listener.address() as AddressInfo).port, sockets };
}

/** Longer than any test drips. */
const LONG_HEADER = continuation(1, literal('x', 'y'.repeat(1000)));

const OPENINGS: Record<string, (at: number) => Buffer> = {
  nothing: () => Buffer.alloc(0),
  'half a preface': (at) => opening().subarray(at, at < 9 ? at + 1 : at),
  'a preface and no request': (at) => (at === 0 ? opening() : Buffer.alloc(0)),
  'headers a byte at a time, which go on and on': (at) =>
    at === 0
      ? Buffer.concat([opening(), headers(1, callBlock('GetFileSize'), 0)])
      : LONG_HEADER.subarray(at - 1, at),
};

for (const [what, bytesAt] of Object.entries(OPENINGS)) {
  test(`a connection that sends ${what} is closed in time`, async (t) => {
    const { counters, port, sockets } = await gated(t);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let at = 0;
    const drip = setInterval(() => socket.write(bytesAt(at++)), TIMEOUT_MS / 10);
    t.after(() => clearInterval(drip));
    await within('the server closes it', closed);
    assert.equal(counters.closings.value('silent'), 1);
    await until('it is gone', () => sockets.size === 0);
  });
}

test('a request that does not come whole in time ends in DEADLINE_EXCEEDED, and the connection goes on', async (t) => {
  const { port } = await gated(t);
  const raw = new RawSession(t, port);
  for (const part of [Buffer.alloc(0), Buffer.from([0, 0, 0, 1, 0, 1, 2])]) {
    const stream = raw.session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.write(part);
    const answer = await within('the answer', answerOf(stream));
    assert.equal(answer.headers['grpc-status'], String(status.DEADLINE_EXCEEDED));
  }
  const whole = await answerOf(raw.request(PATH, Buffer.from([0, 0, 0, 0, 1, 7])));
  assert.deepEqual([whole.headers['grpc-status'], whole.body.at(-1)], ['0', 7]);
});

test('a call that was answered before its request was whole is closed when that does not come', async (t) => {
  const { port } = await gated(t);
  const raw = new RawSession(t, port);
  for (const method of [PATH, '/test.Service/None']) {
    const stream = raw.session.request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      'grpc-timeout': '1m',
    });
    stream.on('error', () => {});
    stream.write(Buffer.from([0, 0, 0, 1, 0, 1, 2]));
    const answer = await within('the end', answerOf(stream));
    assert.match(String(answer.headers['grpc-status']), /^(?:4|12)$/);
  }
});

test('a connection whose end its peer does not answer is closed all the same', async (t) => {
  const { port, sockets } = await gated(t);
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  // A preface that is none ends the session; this peer keeps its side open and reads on.
  socket.write(Buffer.concat([opening(), data(0, Buffer.alloc(10))]));
  socket.resume();
  await within('the server ends its side', once(socket, 'end'));
  await until('the server has closed it', () => sockets.size === 0);
});
