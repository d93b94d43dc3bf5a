/** Connections that no honest client makes, and more of everything than is allowed. */
import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { lines, noise } from '../support/content.ts';
import { firstMessage } from '../support/peers/raw-client.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { openDescriptors } from '../support/scratch.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

const OPENINGS: Record<string, Buffer> = {
  noise: noise(1, 5000).bytes(0, 5000),
  'an HTTP/1.1 request': Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  'a TLS hello': Buffer.from('16030100f8010000f40303', 'hex'),
  'a preface and noise': Buffer.concat([Buffer.from(PREFACE), noise(2, 3000).bytes(0, 3000)]),
  'a preface and a frame of 16 MiB': Buffer.concat([
    Buffer.from(PREFACE),
    Buffer.from('ffffff0400000000', 'hex'),
  ]),
  'half a preface': Buffer.from(PREFACE.slice(0, 9)),
  nothing: Buffer.alloc(0),
};

for (const [what, bytes] of Object.entries(OPENINGS)) {
  test(`a connection that opens with ${what} does not disturb the others`, async (t) => {
    const server = await startServer(t);
    server.write('file', lines(1000));
    const sockets = Array.from({ length: 20 }, () => connect(server.port, '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.write(bytes);
    }
    await Promise.all(
      sockets.slice(10).map((socket) => new Promise((resolve) => socket.once('connect', resolve))),
    );
    assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
    for (const socket of sockets) socket.destroy();
    await server.untilIdle();
  });
}

test('ten thousand calls opened and cancelled at once leave nothing behind', async (t) => {
  const server = await startServer(t);
  server.write('file', noise(1, MIB));
  let opened = 0;
  for (let connection = 0; connection < 100; connection++) {
    const raw = new RawSession(t, server.port);
    for (let i = 0; i < 100 && !raw.session.destroyed; i++) {
      const stream = raw.call('StreamFile', { fileName: 'file', wantDetails: true });
      stream.close(8);
      opened += 1;
    }
    const closed = new Promise((resolve) => raw.session.once('close', resolve));
    raw.session.close();
    await within('the connection closes', closed);
  }
  assert.equal(opened, 10_000);
  await server.untilIdle();
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
});

test('connections beyond the limit are closed at once, and there is room again when others leave', async (t) => {
  const server = await startServer(t, { limits: { connections: 4 } });
  server.write('file', lines(1000));
  const sockets = await Promise.all(Array.from({ length: 4 }, () => connected(server)));
  await until('the server has them all', () => server.server.stats().connections === 4);
  const refused = await connected(server);
  await within('the refusal', new Promise((resolve) => refused.once('close', resolve)));
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'UNAVAILABLE');
  for (const socket of sockets) socket.destroy();
  await until('there is room', () => server.server.stats().connections === 0);
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
});

test('transfers beyond the limit are RESOURCE_EXHAUSTED, sizes are still told, and there is room again later', async (t) => {
  const server = await startServer(t, { limits: { streams: 3 } });
  server.write('file', noise(1, 4 * MIB));
  const client = server.client();
  const calls = Array.from({ length: 3 }, () => client.stream({ fileName: 'file' }));
  await Promise.all(calls.map((call) => firstMessage(call)));
  const refused = await client.fetch({ fileName: 'file' });
  assert.deepEqual([refused.status, refused.code], ['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED']);
  assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  for (const call of calls) call.cancel();
  await server.untilIdle();
  assert.equal((await client.fetch({ fileName: 'file' })).status, 'OK');
});

test('calls beyond the limit of a connection are refused by HTTP/2 and the others go on', async (t) => {
  const server = await startServer(t, { limits: { streamsPerConnection: 5 } });
  server.write('file', noise(1, MIB));
  const session = connectHttp2(`http://${server.address}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  assert.equal(session.remoteSettings?.maxConcurrentStreams, 5);
  const raw = new RawSession(t, server.port);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => answerOf(raw.call('StreamFile', { fileName: 'file' }))),
  );
  const complete = answers.filter(({ headers }) => headers['grpc-status'] === '0');
  assert(complete.length >= 5);
  for (const { body } of complete) assert(body.length > MIB);
  await server.untilIdle();
});

test('a peer that sends and never half-closes, or half-closes at once, holds nothing', async (t) => {
  const server = await startServer(t);
  server.write('file', noise(1, MIB));
  const before = openDescriptors().length;
  const raw = new RawSession(t, server.port);
  for (let i = 0; i < 50; i++) {
    const stream = raw.session.request({
      ':method': 'POST',
      ':path': '/sluice.v1.TransferService/StreamFile',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    if (i % 2 === 0) stream.end();
  }
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
  raw.destroy();
  await server.untilIdle();
  await until('its sockets are closed', () => openDescriptors().length <= before + 2);
});

async function connected(server: TestServer): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}
