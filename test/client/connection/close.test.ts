/** What is left when a client is closed, or the command line ends: nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startSilentPeer, unansweredAddress } from '../../support/peers/silent-peers.ts';
import { runSluice, SluiceProcess } from '../../support/sluice-process.ts';
import { startChild } from '../../support/start-child.ts';
import { within } from '../../support/until.ts';
import { clientOf, failureOf, scratchDirectory, someFile, startServer, until } from '../fixtures.ts';

const CLOSED_CLIENTS = fileURLToPath(new URL('./closed-clients.js', import.meta.url));
const STUCK_PROCESS = fileURLToPath(new URL('./stuck-process.js', import.meta.url));

/** A program that must end by itself. */
async function endOf(
  t: TestContext,
  program: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = startChild(t, process.execPath, [program, ...args]);
  const code = await within('the end of the process', child.ended, 10_000);
  return { code, output: child.stdout };
}

test('a process ends when its clients are closed, whatever their sockets were waiting for', async (t) => {
  const unanswered = await unansweredAddress(t);
  const silent = await startSilentPeer(t);
  const addresses = `${unanswered},${silent.address}`;
  const { code, output } = await endOf(t, CLOSED_CLIENTS, [addresses, addresses]);
  assert.equal(code, 0);
  assert.equal(output, '12 failed');
});

test('a closed client leaves no socket at a peer that never answered', async (t) => {
  const silent = await startSilentPeer(t);
  const client = clientOf(t, silent.address, { tls: true, connectTimeoutMs: 60_000 });
  const failing = [client.getFileSize('a'), client.stream('a').next()].map(failureOf);
  await until(() => silent.sockets.size === 1);
  client.close();
  for (const failure of await Promise.all(failing))
    assert.match(failure.code ?? '', /INVALID_ARGUMENT|UNAVAILABLE/);
  await until(() => silent.sockets.size === 0);
});

test('a connection that never came about is given up, and the next attempt makes another', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  const peer = await startSilentPeer(t, (socket, number) => {
    if (number === 0) return void socket.resume();
    const far = net.connect(server.port, '127.0.0.1');
    far.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.pipe(far).pipe(socket);
  });
  for (const ownConnection of [true, false]) {
    const client = clientOf(t, peer.address, { connectTimeoutMs: 100, ownConnection });
    assert.equal(await client.getFileSize('a'), file.content.byteLength);
  }
});

test('calls that run when a client is closed go on to their end', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.scripts.push({ before: () => held });
  const download = client.download('a', join(await scratchDirectory(t), 'a'));
  await until(() => server.requests.length === 1);
  client.close();
  setImmediate(release);
  assert.equal((await download).bytes, file.content.byteLength);
  await until(() => server.connections === 0);
});

test('sluice ends with its exit code at Ctrl-C, while a TLS hello is unanswered', async (t) => {
  const silent = await startSilentPeer(t);
  const sluice = new SluiceProcess(t, ['ls', '--tls', silent.address]);
  await until(() => silent.sockets.size === 1);
  sluice.process.kill('SIGINT');
  const { code } = await within('the end of sluice', sluice.outcome(), 10_000);
  assert.equal(code, 130);
});

test('sluice ends with its exit code and leaves no process, where a TLS hello is never answered', async (t) => {
  let connections = 0;
  const silent = await startSilentPeer(t, (socket) => {
    connections += 1;
    socket.resume();
  });
  const args = ['ls', '--tls', '--connect-timeout', '300ms', silent.address];
  const { code, stderr } = await within('the end of sluice', runSluice(t, args), 20_000);
  assert.equal(code, 5, stderr);
  assert.match(stderr, /no connection within 300 ms/);
  assert.ok(connections > 0);
  await until(() => silent.sockets.size === 0);
});

test('a command that has printed its result ends although a system call never returns', async (t) => {
  const fifo = join(await scratchDirectory(t), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const { code, output } = await endOf(t, STUCK_PROCESS, [fifo]);
  // `process.exit` would wait for the call; a Node that cannot replace its process is left with a signal.
  assert.deepEqual([code, output], ['execve' in process ? 5 : null, 'printed']);
});
