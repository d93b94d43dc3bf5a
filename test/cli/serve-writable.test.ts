/** Of several writable servers on one directory, one serves; killed, it is in nobody's way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratchRoot } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { until } from '../support/until.ts';
import { runCommand } from './command-session.ts';

const READY = /^sluice is ready on (\S+), .* \((writable|read-only)\)\n$/;

function serveArgs(root: string): string[] {
  return ['serve', root, '--listen', '127.0.0.1:0', '--pool-threads', '1'];
}

function serve(t: TestContext, root: string): SluiceProcess {
  return new SluiceProcess(t, [...serveArgs(root), '--writable']);
}

test('a second writable server is refused, with who is there and what to do', async (t) => {
  const root = scratchRoot(t);
  const first = serve(t, root);
  await first.says(READY);
  const { code, stderr, stdout } = await runCommand([...serveArgs(root), '--writable']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, new RegExp(`another server, process ${first.process.pid} on \\S+, .* since \\d{4}-`));
  assert.match(stderr, /stop it, serve another directory, or leave out --writable/);
  const reader = new SluiceProcess(t, serveArgs(root));
  assert.equal((await reader.says(READY))[2], 'read-only');
});

const CONTAINER = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const withoutNamespaces =
  spawnSync(CONTAINER[0] as string, [...CONTAINER.slice(1), 'true']).status === 0
    ? false
    : 'this process may not make PID namespaces';

test('a server in another container of the same host name is refused, and one that was killed in it is not', {
  skip: withoutNamespaces,
}, async (t) => {
  const root = scratchRoot(t);
  const first = new SluiceProcess(t, [...serveArgs(root), '--writable'], { under: CONTAINER });
  await first.says(READY);
  const { code, stderr } = await runCommand([...serveArgs(root), '--writable']);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /whether it still runs/);
  assert.match(stderr, /another server, process \d+ on /);
  first.process.kill('SIGKILL');
  await first.outcome();
  const lock = join(root, '.sluice-lock');
  assert.ok(existsSync(lock));
  // What it would wait for otherwise.
  utimesSync(lock, 0, 0);
  await serve(t, root).says(READY);
});

test('of servers that start at once where another was killed, one serves, and leaves no lock when it is stopped', async (t) => {
  const root = scratchRoot(t);
  const lock = join(root, '.sluice-lock');
  const killed = serve(t, root);
  await killed.says(READY);
  killed.process.kill('SIGKILL');
  await killed.outcome();
  assert.ok(existsSync(lock));
  const servers = Array.from({ length: 3 }, () => serve(t, root));
  const ready = () => servers.filter(({ stdout }) => READY.test(stdout));
  const ended = () => servers.filter((server) => server.process.exitCode !== null);
  await until('each has started or given up', () => ready().length + ended().length === servers.length, {
    limitMs: 60_000,
    state: () => servers.map(({ stderr }) => stderr),
  });
  assert.equal(ready().length, 1);
  assert.deepEqual(
    ended().map((server) => server.process.exitCode),
    [2, 2],
  );
  const [next] = ready() as [SluiceProcess];
  next.process.kill('SIGTERM');
  const { code, stderr } = await next.outcome();
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /lock|has not stopped cleanly/);
  assert.ok(!existsSync(lock));
});
