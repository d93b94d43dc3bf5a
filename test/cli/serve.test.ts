import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MIB } from '../../src/base/units.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { runSluice, SluiceProcess } from '../support/sluice-process.ts';
import { startServer } from '../support/test-server.ts';
import { runCommand } from './command-session.ts';

const READY = /^sluice is ready on (\S+), serving (.+) \(read-only\)\n$/;
const ANY_PORT = ['--listen', '127.0.0.1:0', '--pool-threads', '1'];

test('one line says that the server is ready, where, and what it serves; the log goes to standard error as JSON lines; SIGTERM ends it with 0', async (t) => {
  const root = scratchRoot(t);
  const server = new SluiceProcess(t, ['serve', root, ...ANY_PORT]);
  const [, address, served] = await server.says(READY);
  assert.match(String(address), /^127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(served, root);
  assert.equal((await runCommand(['ls', String(address)])).code, 0);
  const [line] = await server.says(/^\{.*ListFiles.*\}$/m);
  assert.equal(JSON.parse(line).method, 'ListFiles');
  server.process.kill('SIGTERM');
  const { code, stderr } = await server.outcome();
  assert.equal(code, 0);
  assert.match(stderr, /"msg":"stopped"/);
});

test('with --json the ready line is an object; SIGINT ends the server with 0', async (t) => {
  const root = scratchRoot(t);
  const server = new SluiceProcess(t, ['serve', root, ...ANY_PORT, '--json']);
  const [line] = await server.says(/^\{.*\}\n/);
  const { address, ...rest } = JSON.parse(line) as { address: string };
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(rest, { event: 'ready', root, tls: false, readOnly: true });
  server.process.kill('SIGINT');
  const { code, stderr } = await server.outcome();
  assert.equal(code, 0);
  assert.match(stderr, /"msg":"stopped"/);
});

test('a second signal ends a server that still waits for its peers', async (t) => {
  const root = scratchRoot(t);
  writeFileSync(join(root, 'large'), randomBytes(64 * MIB));
  const server = new SluiceProcess(t, ['serve', root, ...ANY_PORT, '--shutdown-grace', '1h']);
  const [, address] = await server.says(READY);
  const client = new SluiceClient(String(address));
  t.after(() => client.close());
  // A reader that stops after its first chunk keeps its call open.
  const chunks = client.stream('large');
  t.after(() => chunks.return());
  await chunks.next();
  server.process.kill('SIGTERM');
  await server.says(/a second signal ends at once/);
  server.process.kill('SIGTERM');
  assert.equal((await server.outcome()).code, 130);
});

test('SIGHUP reloads what can change while it runs, and names what cannot; an unusable file changes nothing', async (t) => {
  const file = join(scratchDirectory(t), 'sluice.yaml');
  const settings = (level: string, count: number) =>
    writeFileSync(file, `log: {level: ${level}}\nslab: {count: ${count}}\n`);
  settings('info', 20);
  const server = new SluiceProcess(t, ['serve', scratchRoot(t), ...ANY_PORT, '--config', file]);
  const [, address] = await server.says(READY);

  settings('debug', 20);
  server.process.kill('SIGHUP');
  await server.says(/"changed":\["log\.level: info → debug"\],"msg":"reloaded"/);

  settings('warn', 30);
  server.process.kill('SIGHUP');
  await server.says(
    /"changed":\["log.level: debug → warn"\],"afterRestart":\["slab\.count"\],"msg":"reloaded; /,
  );
  const logged = server.stderr.length;
  assert.equal((await runCommand(['ls', String(address)])).code, 0);

  settings('loud', 30);
  server.process.kill('SIGHUP');
  const [line] = await server.says(/^.*not reloaded: the configuration.*$/m);
  assert.match(line, /log\.level.*loud/);
  assert.doesNotMatch(server.stderr.slice(logged), /ListFiles/);
  assert.equal((await runCommand(['ls', String(address)])).code, 0);
});

test('a Unix socket is served and removed at the end; --log-level silent logs nothing of it', async (t) => {
  const socket = join(scratchDirectory(t), 's.sock');
  const flags = ['--listen', `unix:${socket}`, '--log-level', 'silent'];
  const server = new SluiceProcess(t, ['serve', scratchRoot(t), ...flags]);
  await server.says(READY);
  assert.equal((await runCommand(['ls', `unix:${socket}`])).code, 0);
  server.process.kill('SIGTERM');
  assert.equal((await server.outcome()).stderr, '');
  assert.ok(!existsSync(socket));
});

const withoutProc = process.platform === 'linux' ? false : 'only Linux shows the threads of a process';

test('a server has threads for many syncs at once, unless the environment says otherwise', {
  skip: withoutProc,
}, async (t) => {
  const threadsWith = async (env: Record<string, string>) => {
    const server = new SluiceProcess(t, ['serve', scratchRoot(t), ...ANY_PORT], { env });
    await server.says(READY);
    return readdirSync(`/proc/${server.process.pid}/task`).length;
  };
  assert.ok((await threadsWith({})) > (await threadsWith({ UV_THREADPOOL_SIZE: '4' })));
});

test('a port in use is a configuration error with a remedy', async (t) => {
  const { address } = await startServer(t);
  const { code, stderr, stdout } = await runSluice(t, ['serve', scratchRoot(t), '--listen', address]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /another process listens there/);
});

test('a directory that is not there is a configuration error', async (t) => {
  const { code, stderr } = await runCommand(['serve', join(scratchDirectory(t), 'absent'), ...ANY_PORT]);
  assert.equal(code, 2);
  assert.match(stderr, /absent" does not exist/);
});

test('the directory cannot be given twice', async () => {
  const { code, stderr } = await runCommand(['serve', 'a', '--root', 'b']);
  assert.equal(code, 2);
  assert.match(stderr, /use either \[dir\] or --root/);
});

test('an address for others needs TLS or --insecure', async (t) => {
  const { code, stderr } = await runCommand(['serve', scratchRoot(t), '--listen', ':0']);
  assert.equal(code, 2);
  assert.match(stderr, /say --insecure/);
});

test('all problems of the configuration are reported at once', async () => {
  const { code, stderr } = await runCommand(['serve', '--slab-size', 'big'], {
    env: { SLUICE_POOL_THREADS: 'many', SLUICE_SLAB_CUONT: '4' },
  });
  assert.equal(code, 2);
  for (const part of ['--slab-size', 'SLUICE_POOL_THREADS', 'did you mean SLUICE_SLAB_COUNT?']) {
    assert.ok(stderr.includes(part), stderr);
  }
});
