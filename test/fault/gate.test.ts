/** What a connection may cost before grpc-js: by raw sockets, because no library would do it. */
import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { REQUEST_MESSAGE_TIMEOUT_MS } from '../../src/base/limits.ts';
import { lines, noise } from '../support/content.ts';
import {
  callBlock,
  continuation,
  data,
  END_HEADERS,
  END_STREAM,
  goAway,
  headers,
  literal,
  opening,
  references,
  reset,
} from '../support/peers/h2-frames.ts';
import { firstMessage, methodOf } from '../support/peers/raw-client.ts';
import { answerOf, framed, RawSession } from '../support/peers/raw-http2.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const { NGHTTP2_PROTOCOL_ERROR: PROTOCOL_ERROR } = constants;

const odd = (index: number) => 2 * index + 1;

/** A peer of bare bytes; `closed` when the server has ended the connection. */
function peer(
  t: TestContext,
  server: TestServer,
): { socket: Socket; closed: Promise<unknown>; text: () => string } {
  const socket = connect(server.port, '127.0.0.1');
  const parts: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (bytes) => parts.push(bytes));
  t.after(() => socket.destroy());
  const closed = new Promise((resolve) => socket.once('close', resolve));
  return { socket, closed, text: () => Buffer.concat(parts).toString() };
}

for (const [what, size, times] of [
  ['a few long fields', 3900, 24],
  ['many short fields', 10, 70],
] as const) {
  test(`header blocks that stand for ${what} close their connection, and no other`, async (t) => {
    const server = await startServer(t);
    server.write('file', lines(1000));
    const client = server.client();
    assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
    const { socket, closed } = peer(t, server);
    const first = Buffer.concat([callBlock('GetFileSize'), literal('x', 'v'.repeat(size), true)]);
    const block = Buffer.concat([callBlock('GetFileSize'), references(times)]);
    socket.write(Buffer.concat([opening(), headers(1, first)]));
    await until('its first stream is there', () => server.server.stats().connections === 2);
    socket.write(Buffer.concat(Array.from({ length: 250 }, (_, i) => headers(odd(i + 1), block))));
    await within('the server closes the connection', closed);
    assert.equal(server.server.stats().closings.headers, 1);
    assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
    await until('the other is left', () => server.server.stats().connections === 1);
  });
}

test('metadata of 15 KB is taken', async (t) => {
  const server = await startServer(t);
  server.write('file', lines(1000));
  const raw = new RawSession(t, server.port);
  const request = framed(methodOf('GetFileSize').requestSerialize({ fileName: 'file' }));
  const answer = await answerOf(raw.request('GetFileSize', request, { x: 'v'.repeat(15_000) }));
  assert.equal(answer.headers['grpc-status'], '0');
});

test('calls that are reset as they are made cost their peer its connection, and then its address a second', async (t) => {
  const server = await startServer(t, { writable: true, limits: { streamsPerConnection: 64 } });
  server.write('file', lines(1000));
  const client = server.client();
  assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  const flood = Buffer.concat([
    opening(),
    ...Array.from({ length: 300 }, (_, i) => [
      headers(odd(i), callBlock('UploadFile')),
      reset(odd(i)),
    ]).flat(),
  ]);
  const { closings } = server.server.stats();
  assert.equal(closings.wastedStreams, 0);
  for (let opened = 0; server.server.stats().closings.banned < 2; opened++) {
    assert(opened < 100, JSON.stringify(server.server.stats()));
    const { socket, closed } = peer(t, server);
    socket.write(flood);
    await within('the server closes the connection', closed);
  }
  assert(server.server.stats().closings.wastedStreams > 0);
  // Who is there already is not told apart from others, and stays.
  assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  const late = server.client({
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 200,
  });
  // A connection that is cut after its handshake ends the call that waited for it.
  const get = () => late.unary('GetFileSize', { fileName: 'file' }, { waitForReady: true });
  let answer = (await get()).status;
  for (let tries = 1; answer !== 'OK' && tries < 50; tries++) answer = (await get()).status;
  assert.equal(answer, 'OK', 'a new client of the address gets in');
  await server.untilIdle();
});

test('requests that no client sends cost their peer its connection sooner than cancelled ones', async (t) => {
  const server = await startServer(t);
  server.write('file', lines(1000));
  const client = server.client();
  const tooLarge = Buffer.alloc(5);
  tooLarge.writeUInt32BE(64_000, 1);
  const bomb = framed(gzipSync(Buffer.alloc(64_000)), true);
  for (const message of [tooLarge, bomb]) {
    const block = callBlock('GetFileSize', message === bomb ? { 'grpc-encoding': 'gzip' } : {});
    const before = server.server.stats().closings.wastedStreams;
    const { socket, closed } = peer(t, server);
    socket.write(
      Buffer.concat([
        opening(),
        ...Array.from({ length: 100 }, (_, i) => [
          headers(odd(i), block),
          data(odd(i), message, END_STREAM),
        ]).flat(),
      ]),
    );
    await within('the server closes the connection', closed);
    assert.equal(server.server.stats().closings.wastedStreams, before + 1);
  }
  // A bad name may be what its user asked for.
  for (let i = 0; i < 100; i++)
    assert.equal((await client.unary('GetFileSize', { fileName: '../x' })).status, 'INVALID_ARGUMENT');
  assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  assert.equal(server.server.stats().closings.wastedStreams, 2);
});

test('requests that no client sends are paid for when they are answered, also those that are left open', async (t) => {
  const server = await startServer(t);
  const { socket, closed } = peer(t, server);
  const tooLarge = Buffer.alloc(1000);
  tooLarge.writeUInt32BE(64_000, 1);
  const calls = Array.from({ length: 100 }, (_, i) => [
    headers(odd(i), callBlock('GetFileSize')),
    data(odd(i), tooLarge),
  ]);
  socket.write(Buffer.concat([opening(), ...calls.flat()]));
  await within('the server closes the connection', closed, REQUEST_MESSAGE_TIMEOUT_MS / 2);
  assert.equal(server.server.stats().closings.wastedStreams, 1);
});

test('a client that cancels hundreds of running downloads keeps its connection', async (t) => {
  const server = await startServer(t, { limits: { streamsPerConnection: 250 } });
  server.write('file', noise(1, 2 * MIB));
  const client = server.client();
  for (let round = 0; round < 2; round++) {
    const calls = Array.from({ length: 250 }, () => client.stream({ fileName: 'file' }));
    await Promise.all(calls.map((call) => firstMessage(call)));
    for (const call of calls) call.cancel();
    await server.untilIdle();
  }
  // And one that cancels calls before they are answered, as many as a connection can have.
  for (const call of Array.from({ length: 250 }, () => client.stream({ fileName: 'file' }))) call.cancel();
  assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  assert.equal(server.server.stats().closings.wastedStreams, 0);
  assert.equal(server.server.stats().connections, 1);
});

test('HTTP/1.1 is told what speaks here', async (t) => {
  const server = await startServer(t);
  const { socket, closed, text } = peer(t, server);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await within('the server closes the connection', closed);
  assert.match(
    text(),
    /^HTTP\/1\.1 400 .*\r\n(?:[^\r]+\r\n)+\r\nThis is a sluice server: it speaks gRPC .*\n$/,
  );
  assert.equal(server.server.stats().closings.foreign, 1);
});

test('a request of HTTP/2 that is no gRPC call is told what is', async (t) => {
  const server = await startServer(t);
  const raw = new RawSession(t, server.port);
  const got = await answerOf(raw.session.request({ ':path': '/' }));
  assert.deepEqual([got.headers[':status'], got.headers.allow], [405, 'POST']);
  assert.match(got.body.toString(), /^This is a sluice server/);
  const web = await answerOf(
    raw.request('GetFileSize', framed(Buffer.alloc(3)), { 'content-type': 'application/grpc-web+proto' }),
  );
  assert.equal(web.headers[':status'], 415);
  assert.match(web.body.toString(), /gRPC-Web/);
});

test('a call whose timeout is longer than 24 days has no deadline', async (t) => {
  const server = await startServer(t);
  server.write('file', lines(1000));
  const raw = new RawSession(t, server.port);
  const request = framed(methodOf('GetFileSize').requestSerialize({ fileName: 'file' }));
  const answer = await answerOf(raw.request('GetFileSize', request, { 'grpc-timeout': '700H' }));
  assert.equal(answer.headers['grpc-status'], '0');
});

test('the streams of a connection that is closed for its headers are not answered', async (t) => {
  const server = await startServer(t);
  server.write('file', lines(1000));
  const { socket, closed, text } = peer(t, server);
  const request = framed(methodOf('GetFileSize').requestSerialize({ fileName: 'file' }));
  const hostile = Buffer.concat([callBlock('GetFileSize'), literal('x', 'v'.repeat(17_000))]);
  // In one read, those behind the hostile one too.
  const calls = Array.from({ length: 20 }, (_, i) => [
    headers(odd(i + 1), callBlock('GetFileSize')),
    data(odd(i + 1), request, END_STREAM),
  ]);
  socket.write(
    Buffer.concat([
      opening(),
      headers(1, hostile.subarray(0, 16_000), 0),
      continuation(1, hostile.subarray(16_000), END_HEADERS),
      ...calls.flat(),
    ]),
  );
  await within('the server closes the connection', closed);
  assert(!text().includes('grpc-status'));
  await server.untilIdle();
});

for (const [encoding, algorithm, compress] of [
  ['deflate', 1, deflateSync],
  ['gzip', 2, gzipSync],
] as const) {
  test(`requests compressed with ${encoding} are taken, and not decompressed beyond what a request may have`, async (t) => {
    const server = await startServer(t);
    server.write('file', lines(1000));
    const client = server.client({ 'grpc.default_compression_algorithm': algorithm });
    assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
    assert.equal((await client.fetch({ fileName: 'file' })).status, 'OK');
    const raw = new RawSession(t, server.port);
    const ask = (message: Buffer) =>
      answerOf(raw.request('GetFileSize', framed(message, true), { 'grpc-encoding': encoding }));
    const bomb = methodOf('GetFileSize').requestSerialize({ fileName: 'n'.repeat(10 * MIB) });
    assert.equal((await ask(compress(bomb))).headers['grpc-status'], String(status.RESOURCE_EXHAUSTED));
    assert.equal((await ask(Buffer.alloc(100, 1))).headers['grpc-status'], String(status.INVALID_ARGUMENT));
  });
}

test('an upload of messages that carry nothing ends, one that also carries bytes does not', async (t) => {
  const server = await startServer(t, { writable: true });
  const client = server.client();
  const send = async (name: string, isEmpty: boolean) => {
    const { call, ended } = client.clientStream('UploadFile');
    call.write({ start: { fileName: name } });
    // A server that is held up takes a pause for a slow peer: more than enough for some.
    for (let i = 0; i < (isEmpty ? 6000 : 1500); i++)
      call.write(isEmpty || i % 100 > 0 ? {} : { chunk: Buffer.from('x') });
    call.write({ finish: true });
    call.end();
    return await ended;
  };
  const ended = await send('a', true);
  assert.equal(ended.code, 'INVALID_ARGUMENT', `${ended.status}: ${ended.details}`);
  assert.equal((await send('b', false)).status, 'OK');
  await server.untilIdle();
});

test('idle connections of one address make room for another at once', async (t) => {
  const server = await startServer(t, { limits: { connections: 16 } });
  server.write('file', lines(1000));
  for (let i = 0; i < 16; i++)
    assert.equal(
      (await answerOf(new RawSession(t, server.port).call('GetFileSize', { fileName: 'file' }))).headers[
        'grpc-status'
      ],
      '0',
    );
  const other = new RawSession(t, server.port, {}, '127.0.0.2');
  assert.equal((await answerOf(other.call('GetFileSize', { fileName: 'file' }))).headers['grpc-status'], '0');
  assert.equal(server.server.stats().closings.evicted, 1);
  // The address that holds the most takes nothing from it.
  const { closed } = peer(t, server);
  await within('the refusal', closed);
  assert.equal(server.server.stats().closings.full, 1);
});

for (const [what, method, fields] of [
  ['that is no POST', 'StatFile', { ':method': 'GET' }],
  ['of another content type', 'StatFile', { 'content-type': 'text/plain' }],
  ['of an unknown method', 'None', {}],
  ['with a single request', 'StatFile', {}],
  ['with a stream of requests', 'UploadFile', {}],
  ['in which the server speaks first', 'Exchange', {}],
] as const) {
  test(`a call ${what} that its peer resets without an error, in the same read, ends nothing else`, async (t) => {
    const server = await startServer(t);
    server.write('file', lines(1000));
    const { socket } = peer(t, server);
    const calls = Array.from({ length: 40 }, (_, i) => [
      headers(odd(i), callBlock(method, fields)),
      reset(odd(i), 0),
    ]);
    socket.write(Buffer.concat([opening(), ...calls.flat()]));

    await until('they have come', () => server.server.stats().connections === 1 && socket.bytesWritten > 0);
    assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
    socket.destroy();
    await server.untilIdle();
  });
}

test('a GOAWAY with an error, and a call behind it, end that connection and nothing else', async (t) => {
  const server = await startServer(t);
  const { socket, closed } = peer(t, server);

  socket.write(
    Buffer.concat([
      opening(),
      goAway(PROTOCOL_ERROR),
      headers(1, callBlock('GetFileSize')),
      data(1, Buffer.alloc(100)),
    ]),
  );

  await within('the connection is closed', closed);
  const session = new RawSession(t, server.port);
  const answer = await within('the answer', answerOf(session.call('GetFileSize', { fileName: 'missing' })));
  assert.equal(Number(answer.headers['grpc-status']), status.NOT_FOUND);
});
