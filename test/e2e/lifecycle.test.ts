/** Where a server listens, what it refuses to start with, and how it ends. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { TransferError } from '../../src/base/errors.ts';
import { SluiceServer } from '../../src/server/server.ts';
import { assertComplete } from '../support/check-stream.ts';
import { lines, noise, writeContent } from '../support/content.ts';
import { firstMessage, RawClient, receiveAll } from '../support/peers/raw-client.ts';
import { openDescriptors, scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { ServerProcess } from '../support/server-process.ts';
import { KIB, MIB, startServer, testConfig } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const REQUEST = { fileName: 'file', wantChecksums: true };

async function refusalOf(root: string, listen = '127.0.0.1:0'): Promise<TransferError> {
  const server = new SluiceServer(testConfig(root, { listen }));
  try {
    await server.start();
  } catch (reason) {
    assert(reason instanceof TransferError, String(reason));
    return reason;
  }
  await server.stop(0);
  throw new Error('the server starts');
}

test('a port in use is INVALID_CONFIG that names the address, and leaves nothing behind', async (t) => {
  const server = await startServer(t);
  const before = openDescriptors().length;
  const refusal = await refusalOf(server.root, server.address);
  assert.equal(refusal.code, 'INVALID_CONFIG');
  assert(refusal.message.includes(server.address), refusal.message);
  await until('the descriptors of the refused server are closed', () => openDescriptors().length <= before);
});

test('a root that is missing, a file, or on another kind of system is INVALID_CONFIG that names it', async (t) => {
  const root = scratchRoot(t);
  writeFileSync(join(root, 'file'), '');
  for (const path of [join(root, 'missing'), join(root, 'file'), '/proc']) {
    const refusal = await refusalOf(path);
    assert.equal(refusal.code, 'INVALID_CONFIG');
    assert(refusal.message.includes(path), refusal.message);
  }
});

test('a root that may not be read is INVALID_CONFIG', async (t) => {
  const root = scratchRoot(t);
  chmodSync(dirname(root), 0o755);
  chmodSync(root, 0o300);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    assert.equal((await refusalOf(root)).code, 'INVALID_CONFIG');
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(root, 0o700);
  }
});

test('a server listens on a Unix socket and removes it at its end', async (t) => {
  const path = join(scratchDirectory(t), 'sluice.sock');
  const server = await startServer(t, { listen: `unix:${path}` });
  assert.equal(server.address, `unix:${path}`);
  const content = server.write('file', noise(1, MIB));
  assertComplete(await server.client().fetch(REQUEST), { request: REQUEST, content, chunkBytes: 64 * KIB });
  await server.server.stop(0);
  assert(!existsSync(path));
});

test('a server that was killed leaves no Unix socket in the way of the next one', async (t) => {
  const path = join(scratchDirectory(t), 'sluice.sock');
  const root = scratchRoot(t);
  const config = testConfig(root, { listen: `unix:${path}` });
  const killed = await ServerProcess.start(t, config);
  await killed.end('SIGKILL');
  assert(existsSync(path));
  const server = await startServer(t, { listen: `unix:${path}` }, { root });
  server.write('file', lines(10));
  assert.equal((await server.client().fetch(REQUEST)).status, 'OK');
});

test('a second server on the same Unix socket is refused and does not harm the first', async (t) => {
  const path = join(scratchDirectory(t), 'sluice.sock');
  const server = await startServer(t, { listen: `unix:${path}` });
  server.write('file', lines(10));
  assert.equal((await refusalOf(server.root, `unix:${path}`)).code, 'INVALID_CONFIG');
  assert.equal((await server.client().fetch(REQUEST)).status, 'OK');
});

test('a path that is no socket is refused as one and left as it is', async (t) => {
  const directory = scratchDirectory(t);
  const file = join(directory, 'data.db');
  const link = join(directory, 'link');
  writeFileSync(file, 'precious');
  symlinkSync(file, link);
  for (const path of [file, link, directory]) {
    const refusal = await refusalOf(scratchRoot(t), `unix:${path}`);
    assert.equal(refusal.code, 'INVALID_CONFIG');
    assert.match(refusal.message, /not a socket .* choose another path/);
    assert(refusal.message.includes(path), refusal.message);
  }
  assert.equal(readFileSync(file, 'utf8'), 'precious');
  assert(lstatSync(link).isSymbolicLink());
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

test('a server listens on IPv6', { skip: hasIpv6 ? false : 'this machine has no ::1' }, async (t) => {
  const server = await startServer(t, { listen: '[::1]:0' });
  assert.match(server.address, /^\[::1\]:\d+$/);
  const content = server.write('file', noise(1, MIB));
  assertComplete(await server.client().fetch(REQUEST), { request: REQUEST, content, chunkBytes: 64 * KIB });
});

test('a draining server finishes transfers in flight, takes no connections, and ends before its grace', async (t) => {
  const server = await startServer(t, { shutdown: { grace: 600_000 } });
  const content = server.write('file', noise(1, 8 * MIB));
  const client = server.client();
  const call = client.stream(REQUEST);
  const { port } = server;
  const first = await firstMessage(call);
  const stopped = server.server.stop();
  await assert.rejects(
    new Promise((resolve, reject) =>
      connect(port, '127.0.0.1').once('connect', resolve).once('error', reject),
    ),
    { code: 'ECONNREFUSED' },
  );
  const received = receiveAll(call);
  call.resume();
  const rest = await received;
  const whole = { ...rest, messages: [first, ...rest.messages] };
  assertComplete(whole, { request: REQUEST, content, chunkBytes: 64 * KIB });
  await within('the server ends', stopped);
  assert.throws(() => server.server.stats());
});

test('a server told to stop at once cuts transfers with UNAVAILABLE, and stopping twice is one stop', async (t) => {
  const server = await startServer(t);
  server.write('file', noise(1, 8 * MIB));
  const call = server.client().stream(REQUEST);
  await firstMessage(call);
  const received = receiveAll(call);
  const stops = [server.server.stop(0), server.server.stop(600_000)];
  call.resume();
  const end = await within('the end of the call', received);
  assert.notEqual(end.status, 'OK');
  assert(['UNAVAILABLE', 'CANCELLED'].includes(end.status), `${end.status}: ${end.details}`);
  await within('the server ends', Promise.all(stops));
});

test('connections that say nothing do not hold up a server that stops', async (t) => {
  const server = await startServer(t);
  const sockets = Array.from({ length: 5 }, () => connect(server.port, '127.0.0.1').on('error', () => {}));
  await until('the server has them', () => server.server.stats().connections === sockets.length);
  await within('the server ends', server.server.stop(600_000));
});

test('a stopped server can be told to stop again, and one that never started too', async (t) => {
  const server = await startServer(t);
  await server.server.stop(0);
  await server.server.stop(0);
  await new SluiceServer(testConfig(server.root)).stop();
});

test('a process told to end by SIGTERM exits by itself', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), lines(1000));
  const child = await ServerProcess.start(t, testConfig(root));
  const client = new RawClient(child.address);
  t.after(() => client.close());
  assert.equal((await client.fetch(REQUEST)).status, 'OK');
  assert.equal(await child.end('SIGTERM'), 0);
});

test('a connection that gets too old is closed after its grace with UNAVAILABLE, and a new one goes on', async (t) => {
  const server = await startServer(t, {
    connection: { maxAge: 1500, maxAgeGrace: 500 },
    stream: { stallTimeout: 60_000 },
  });
  server.write('file', noise(1, 8 * MIB));
  const client = server.client();
  const call = client.stream(REQUEST);
  await firstMessage(call);
  const received = receiveAll(call);
  call.pause();
  await until('the connection is cut', () => server.server.stats().connections === 0);
  call.resume();
  const end = await within('the end of the call', received);
  assert(['UNAVAILABLE', 'CANCELLED'].includes(end.status), `${end.status}: ${end.details}`);
  assert.equal((await client.unary('GetFileSize', { fileName: 'file' })).status, 'OK');
  await server.untilIdle();
});

test('a second start is refused in words, and the server goes on', async (t) => {
  const started = await startServer(t);
  await assert.rejects(started.server.start(), {
    name: 'TransferError',
    code: 'INVALID_ARGUMENT',
    message: /once/,
  });
  assert.equal((await started.client().unary('StatFile', { fileName: 'none' })).status, 'NOT_FOUND');
});

test('servers started and stopped leave no descriptors and no threads', async (t) => {
  const root = scratchRoot(t);
  writeContent(join(root, 'file'), noise(1, MIB));
  const threads = () => readdirSync('/proc/self/task').length;
  const cycle = async () => {
    const server = new SluiceServer(testConfig(root));
    const { address } = await server.start();
    const client = new RawClient(address);
    assert.equal((await client.fetch(REQUEST)).status, 'OK');
    client.close();
    await server.stop();
  };
  await cycle();
  const before = { descriptors: openDescriptors().length, threads: threads() };
  for (let i = 0; i < 6; i++) await cycle();
  const state = () => ({ descriptors: openDescriptors(), threads: threads(), before });
  const isBack = () => openDescriptors().length <= before.descriptors && threads() <= before.threads;
  await until('descriptors and threads are back', isBack, { state });
});
