import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { SETTINGS } from '../../src/config/settings.ts';
import { runSluice } from '../support/sluice-process.ts';
import { startServer } from '../support/test-server.ts';
import { runCommand } from './command-session.ts';

/** Seen from dist/test/cli. */
const PACKAGE = new URL('../../../package.json', import.meta.url);

test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  const { code, stdout } = await runSluice(t, ['--version']);
  assert.equal(code, 0);
  assert.equal(stdout, `${version}\n`);
});

test('the help of the program has the exit codes; that of each command has examples', async () => {
  for (const command of [
    [],
    ['get'],
    ['put'],
    ['ls'],
    ['stat'],
    ['rm'],
    ['mkdir'],
    ['config'],
    ['top'],
    ['tune'],
  ]) {
    const { code, stdout } = await runCommand([...command, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /\nExamples:\n {2}sluice /, command.join());
    if (command.length === 0) assert.match(stdout, /\n {4}3 {2}there is no such file\n/);
  }
});

test('the help of serve has examples and a flag for every setting', async () => {
  const { stdout } = await runCommand(['serve', '--help']);
  assert.match(stdout, /\nExamples:\n {2}sluice /);
  for (const { flag } of SETTINGS) assert.ok(stdout.includes(`  ${flag} `), flag);
});

test('an unknown command or flag is wrong usage and names the nearest', async () => {
  for (const [args, nearest] of [
    [['sevre'], /Did you mean serve\?/],
    [['serve', '--slab-cuont', '4'], /Did you mean --slab-count\?/],
    [['ls', '--connect-timeout', '3', 'localhost:1'], /Expected a duration such as 500ms/],
    [['get', '--window', '1', 'localhost:1/a'], /Expected a size from 65535 to 1GiB/],
    [['get'], /missing required argument 'targets'/],
    [['get', 'https://localhost/a'], /write grpcs:\/\/localhost\/a/],
    [['ls', '--tls', '--insecure', 'localhost:1'], /cannot be used with option/],
  ] as const) {
    const { code, stderr } = await runCommand(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, nearest);
  }
});

test('where nothing answers, the message names the address and says what to check', async (t) => {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  await once(listener, 'close');
  const { code, stderr } = await runSluice(t, ['ls', `127.0.0.1:${port}`]);
  assert.equal(code, 5);
  assert.ok(stderr.includes(`127.0.0.1:${port}`), stderr);
  assert.match(stderr, /is `sluice serve` running\?/);
});

test('TLS to a server without it says which flag to use', async (t) => {
  const { address } = await startServer(t);
  const { code, stderr } = await runCommand(['ls', '--tls', address]);
  assert.equal(code, 5);
  assert.match(stderr, /--insecure connects without/);
});

test('nothing is coloured where the output is no terminal', async (t) => {
  const { stderr } = await runSluice(t, ['stat', 'localhost:1/a'], { env: { CI: 'true', FORCE_COLOR: '1' } });
  assert.ok(!stderr.includes('\u001b'), JSON.stringify(stderr));
});
