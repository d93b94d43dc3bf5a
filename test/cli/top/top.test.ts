/** `sluice top` as a program, on a pseudo-terminal and without one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { WatchResponse } from '../../../src/wire/admin-messages.ts';
import { accessFile, Tokens } from '../../access/tokens.ts';
import { noise } from '../../support/content.ts';
import { runSluice, SluiceProcess } from '../../support/sluice-process.ts';
import { MIB, startServer, type TestServer } from '../../support/test-server.ts';
import { until } from '../../support/until.ts';
import { GIVE_BACK, TAKE_TERMINAL, TerminalProcess } from './terminal.ts';

/** A server with a download that goes on for as long as nobody reads it. */
async function startWithTransfer(t: TestContext): Promise<TestServer> {
  const server = await startServer(t);
  server.write('large-image.iso', noise(1, 64 * MIB));
  const call = server.client().stream({ fileName: 'large-image.iso' });
  call.once('data', () => call.pause());
  call.on('error', () => {});
  t.after(() => call.cancel());
  await until('a transfer is under way', () => server.server.stats().transfers === 1);
  return server;
}

test('shows a transfer live, and q gives the terminal back', async (t) => {
  const { address } = await startWithTransfer(t);
  const terminal = new TerminalProcess(t, ['top', address, '--interval', '200ms']);

  await terminal.shows(/peer +127\.0\.0\.1 +↓ large-image\.iso/);
  await terminal.draws(3);
  assert.ok(terminal.written.includes(TAKE_TERMINAL));
  terminal.type('q');

  assert.equal(await terminal.ended(), 0);
  assert.ok(terminal.written.endsWith(GIVE_BACK));
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`gives the terminal back on ${signal}`, async (t) => {
    const { address } = await startServer(t);
    const terminal = new TerminalProcess(t, ['top', address]);
    await terminal.shows(/serving/);

    await terminal.signal(signal);

    assert.equal(await terminal.ended(), 0);
    assert.ok(terminal.written.endsWith(GIVE_BACK));
  });
}

test('gives the terminal back where it fails, and says why', async (t) => {
  const server = await startServer(t);
  const terminal = new TerminalProcess(t, ['top', server.address]);
  await terminal.shows(/serving/);
  // The one that comes in its place lets nobody in.
  await server.server.stop(0);
  const [host = '', port = ''] = server.address.split(':');
  await startServer(t, { listen: `${host}:${port}`, limits: { trustedProxies: '127.0.0.1' } });

  assert.equal(await terminal.ended(), 4);
  assert.match(terminal.behind, /^.*error:.* the right "observe"/);
});

test('fits a terminal of 40 columns', async (t) => {
  const { address } = await startWithTransfer(t);
  const terminal = new TerminalProcess(t, ['top', address, '--interval', '200ms'], { columns: 40, rows: 20 });
  await terminal.shows(/↓ …?[\w-]*\.iso/);
  const erasures = terminal.written.split('\u001b[K').slice(0, -1);
  // Behind a line of 40 columns it would erase the last of them.
  assert.ok(erasures.length > 0 && erasures.every((before) => /(?:\[H|\n)$/.test(before)));
  terminal.type('q');
  assert.equal(await terminal.ended(), 0);
});

test('without a terminal it prints one snapshot and ends', async (t) => {
  const { address } = await startWithTransfer(t);
  const { code, stderr, stdout } = await runSluice(t, ['top', address, '--interval', '200ms']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^sluice \d+\.\d+\.\d+ {2}127\.0\.0\.1:\d+ /);
  assert.match(stdout, /peer +127\.0\.0\.1 +↓ large-image\.iso\n/);
  assert.ok(!stdout.includes('\u001b'));
});

test('--json streams the snapshots of the service, one a line', async (t) => {
  const { address } = await startWithTransfer(t);
  const program = new SluiceProcess(t, ['top', address, '--json', '--interval', '200ms']);
  await program.says(/(?:.*\n){3}/);
  await program.end('SIGTERM');

  const snapshots = program.stdout
    .split('\n')
    .slice(0, 3)
    .map((line) => JSON.parse(line) as WatchResponse);
  for (const { slabs, transfers } of snapshots) {
    assert.equal(transfers[0]?.name, 'large-image.iso');
    assert.equal(slabs?.count, 12);
  }
  const times = snapshots.map(({ timeMs }) => timeMs);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('a token opens it, of an identity that may observe', async (t) => {
  const tokens = new Tokens();
  const rules = [{ who: ['operator'], may: ['observe'] }];
  const { path } = accessFile(t, { tokens: tokens.section(['operator', 'other']), rules });
  const { address } = await startServer(t, { access: path });
  const as = (identity: string) =>
    runSluice(t, ['top', address, '--interval', '200ms'], { env: { SLUICE_TOKEN: tokens.of(identity) } });

  const [operator, other] = await Promise.all([as('operator'), as('other')]);

  assert.deepEqual([operator.code, other.code], [0, 4]);
  assert.match(operator.stdout, /^sluice .* serving /);
  assert.match(other.stderr, /observe/);
});

test('what it cannot do is refused with the remedy', async (t) => {
  const { address } = await startServer(t, { limits: { trustedProxies: '127.0.0.1' } });
  const refused = await runSluice(t, ['top', address]);
  assert.deepEqual([refused.code, refused.stdout], [4, '']);
  assert.match(refused.stderr, /the right "observe"/);

  const named = await runSluice(t, ['top', `${address}/dir`]);
  assert.equal(named.code, 2);
  assert.match(named.stderr, /a whole server/);
  const quick = await runSluice(t, ['top', address, '--interval', '1ms']);
  assert.equal(quick.code, 2);
  assert.match(quick.stderr, /200ms to 60s/);
});
