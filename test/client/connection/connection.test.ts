/** Which servers a client talks to, how, and what it says when nobody answers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import { first } from '../download/honest-messages.ts';
import { clientOf, collect, failureOf, scratchDirectory, someFile, startServer, until } from '../fixtures.ts';
import { startTlsServer } from './tls-server.ts';

test('fails fast, naming the address, when nothing listens there', async (t) => {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  const client = clientOf(t, `127.0.0.1:${port}`, { retry: { attempts: 100, outageMs: 3_600_000 } });
  const calls = [
    client.getFileSize('a'),
    client.stat('a'),
    client.download('a', '/dev/null'),
    collect(client.stream('a')),
    client.list().next(),
  ];
  for (const failure of await Promise.all(calls.map(failureOf))) {
    assert.equal(failure.code, 'UNAVAILABLE');
    assert.match(failure.message, new RegExp(`cannot connect to 127.0.0.1:${port} .*ECONNREFUSED`));
  }
});

test('fails fast when a port is open but nobody answers', async (t) => {
  const sockets: net.Socket[] = [];
  const listener = net.createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = listener.address() as net.AddressInfo;
  const client = clientOf(t, `127.0.0.1:${port}`, { connectTimeoutMs: 40 });
  const calls = [client.getFileSize('a'), collect(client.stream('a')), client.list().next()];
  for (const failure of await Promise.all(calls.map(failureOf))) {
    assert.equal(failure.code, 'UNAVAILABLE');
    assert.match(failure.message, /no connection within 40 ms/);
  }
});

test('rejects what is not a target', () => {
  for (const target of [
    '',
    'a b',
    'host:',
    'host:0',
    'host:99999',
    'host:http',
    '[::1',
    '[nope]:1',
    'unix:',
    'http://a',
  ]) {
    assert.throws(() => new SluiceClient(target), { code: 'INVALID_ARGUMENT' }, target);
  }
});

test('rejects options that make no sense, naming them', () => {
  const options = [
    { chunkBytes: 0 },
    { chunkBytes: 1.5 },
    { windowBytes: 1 },
    { stallTimeoutMs: Number.NaN },
    { retry: { attempts: 0 } },
    { compression: 'sometimes' as never },
    { insecure: true, tls: true },
  ];
  for (const option of options) {
    assert.throws(() => new SluiceClient('localhost:1', option), { code: 'INVALID_ARGUMENT' });
  }
});

test('connects by every way of writing an address', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  const { port } = server;
  for (const target of [
    `localhost:${port}`,
    `dns:///127.0.0.1:${port}`,
    `ipv4:127.0.0.1:1,127.0.0.1:${port}`,
  ]) {
    assert.equal(await clientOf(t, target).getFileSize('a'), file.content.byteLength, target);
  }
});

test('connects to a Unix socket', async (t) => {
  const directory = await scratchDirectory(t);
  const file = someFile();
  const server = await startServer(t, { a: file });
  const relay = net.createServer((near) => {
    const far = net.connect(server.port, '127.0.0.1');
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  relay.listen(`${directory}/socket`);
  await once(relay, 'listening');
  t.after(() => relay.close());
  assert.deepEqual(await collect(clientOf(t, `unix:${directory}/socket`).stream('a')), file.content);
});

test('speaks TLS to a server whose authority it trusts', async (t) => {
  const { address, ca } = await startTlsServer(t);
  const client = clientOf(t, address, { tls: { ca, serverName: 'sluice.test' } });
  assert.equal(await client.getFileSize('a'), 42);
});

test('speaks TLS to a server that is called by an address its certificate names, and to no other', async (t) => {
  const { address, ca } = await startTlsServer(t);
  const at = (ip: string) => clientOf(t, address.replace('localhost', ip), { tls: { ca } });
  assert.equal(await at('127.0.0.2').getFileSize('a'), 42);
  assert.match(
    (await failureOf(at('127.0.0.1').getFileSize('a'))).message,
    /127\.0\.0\.1 is not in the cert's list/,
  );
});

test('does not speak TLS to a server whose authority it does not know', async (t) => {
  const { address } = await startTlsServer(t);
  const failure = await failureOf(clientOf(t, address, { tls: true }).getFileSize('a'));
  assert.equal(failure.code, 'UNAVAILABLE');
  assert.match(failure.message, /certificate/);
});

test('shares a connection with other clients unless told not to', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const shared = { ownConnection: false };
  for (const client of [clientOf(t, server, shared), clientOf(t, server, shared)]) await client.stat('a');
  assert.equal(server.connections, 1);
  for (const client of [clientOf(t, server), clientOf(t, server)]) await client.stat('a');
  assert.equal(server.connections, 3);
});

test('closes its connection, once, and then refuses to be used', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server);
  await client.stat('a');
  client.close();
  client.close();
  await until(() => server.connections === 0);
  await assert.rejects(client.list().next(), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(client.stream('a').next(), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(client.stat('a'), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(client.download('a', '/dev/null'), { code: 'INVALID_ARGUMENT' });
});

test('does not resume a transfer after it was closed', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server);
  server.scripts.push({ before: () => client.close(), messages: first(5), ending: 'cut' });
  const failure = await failureOf(collect(client.stream('a')));
  assert.equal(failure.code, 'INVALID_ARGUMENT');
  assert.equal(server.requests.length, 1);
});
