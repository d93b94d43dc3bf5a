/** Tokens on the command line, and the questions that an operator asks of an access file. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAccess } from '../../src/access/access-file.ts';
import { tokenHash } from '../../src/access/proofs/tokens.ts';
import { accessFile, Tokens } from '../access/tokens.ts';
import { noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { SluiceProcess } from '../support/sluice-process.ts';
import { startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { runCommand } from './command-session.ts';

test('a token is printed with an entry that accepts it', async () => {
  const { code, stdout } = await runCommand(['token', 'ci', '--expires', '24h']);
  const [token = '', , ...entry] = stdout.split('\n');

  assert.equal(code, 0);
  assert.match(token, /^sluice_[\w-]{43}$/);
  const [made] = parseAccess(entry.join('\n'), 'stdout').tokens;
  assert.equal(made?.sha256, tokenHash(token));
  assert.equal(made?.identity, 'ci');
  const lifeMs = Number(made?.expires) - Date.now();
  assert.ok(lifeMs > 23 * 3_600_000 && lifeMs <= 24 * 3_600_000, String(lifeMs));
  assert.equal((await runCommand(['token', 'jwt:ci'])).code, 2);
  const { entry: other, token: otherToken } = JSON.parse(
    (await runCommand(['token', 'ci', '--json'])).stdout,
  );
  assert.equal(other.sha256, tokenHash(otherToken));
  assert.notEqual(otherToken, token);
});

test('a decision is explained by its rule, and is the exit code', async (t) => {
  const { path } = accessFile(t, {
    tokens: new Tokens().section(['ci']),
    jwt: [{ issuer: 'i', audience: 'a', algorithms: ['ES256'], jwks: 'keys.json', groups: 'g' }],
    rules: [
      { who: ['ci'], may: ['read'], on: ['a/**'] },
      { who: ['group:jwt:staff'], may: ['read', 'observe'], on: ['home/{identity}'] },
    ],
  });
  const check = (...args: string[]) => runCommand(['config', 'check-access', ...args, '--access', path]);

  const allowed = await check('ci', 'read', 'a/b');
  assert.equal(allowed.code, 0, allowed.stderr);
  assert.match(allowed.stdout, /ci may read "a\/b": rules\[0\] allows it to "ci" on "a\/\*\*"/);
  const denied = await check('ci', 'write', 'a/b');
  assert.equal(denied.code, 4);
  assert.match(denied.stderr, /ci may not write "a\/b": no rule allows it/);
  assert.equal((await check('jwt:alice', 'read', 'home/jwt:alice', '--group', 'jwt:staff')).code, 0);
  assert.equal((await check('jwt:alice', 'observe', '--group', 'jwt:staff')).code, 0);
  assert.equal((await check('jwt:alice', 'read', 'home/jwt:alice')).code, 4);
  assert.equal((await check('anonymous', 'read', 'a')).code, 4);
  const unknown = await check('cj', 'read', 'a');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /did you mean ci\?/);
  assert.equal((await check('ci', 'own', 'a')).code, 2);
});

test('a command proves who it is by flag, file or environment, and shows the token nowhere', async (t) => {
  const tokens = new Tokens();
  const { path } = accessFile(t, {
    tokens: tokens.section(['ci']),
    rules: [{ who: ['ci'], may: ['read', 'list', 'write', 'delete'], on: ['**'] }],
  });
  const server = await startServer(t, { writable: true, access: path });
  const { address } = server;
  const token = tokens.of('ci');
  const directory = scratchDirectory(t);
  const file = join(directory, 'token');
  writeFileSync(file, `${token}\n`);
  const target = join(directory, 'got');
  server.write('f', noise(1, 1000));

  const commands: [string[], object?][] = [
    [['get', `${address}/f`, '-o', target, '--token', token]],
    [['put', target, `${address}/g`, '--token-file', file]],
    [['ls', address], { env: { SLUICE_TOKEN: token } }],
    [['stat', `${address}/f`, '--token-file', file], { env: { SLUICE_TOKEN: 'wrong' } }],
    [['mkdir', `${address}/d`, '--token', token]],
    [['rm', `${address}/g`, '--token', token]],
  ];
  for (const [args, options] of commands) {
    const { code, stderr } = await runCommand(args, options);
    assert.equal(code, 0, `${args[0]}: ${stderr}`);
  }
  assert.ok(existsSync(target));
  assert.equal(server.read('g'), undefined);

  for (const args of [['--token', `${token}x`], ['--token', `${token}\nx`], []]) {
    const { code, stderr, stdout } = await runCommand([
      'get',
      `${address}/f`,
      '-o',
      `${target}2`,
      '--verbose',
      ...args,
    ]);
    assert.notEqual(code, 0);
    assert.ok(!`${stdout}${stderr}`.includes(token), 'the token is not shown');
  }
  const denied = await runCommand(['stat', `${address}/f`]);
  assert.equal(denied.code, 4);
  assert.match(denied.stderr, /send a token/);
  assert.equal((await runCommand(['ls', address, '--token-file', join(directory, 'none')])).code, 2);
  assert.equal((await runCommand(['ls', address, '--token-file', file, '--token', token])).code, 2);
});

test('a token does not go to another machine unencrypted unless that is said', async () => {
  const refused = await runCommand(['ls', 'grpc://192.0.2.1:1', '--token', 'sluice_x']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /unencrypted; use TLS, or say insecure/);
  assert.ok(!refused.stderr.includes('sluice_x'));
  const told = await runCommand([
    'ls',
    'grpc://192.0.2.1:1',
    '--token',
    'sluice_x',
    '--insecure',
    '--connect-timeout',
    '10ms',
  ]);
  assert.equal(told.code, 5, told.stderr);
});

test('the list of processes does not go on showing a token that was given as a flag', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const child = new SluiceProcess(t, [
    'ls',
    `127.0.0.1:${port}`,
    '--token',
    'sluice_secret',
    '--connect-timeout',
    '1m',
  ]);

  const shown = () => readFileSync(`/proc/${child.pid}/cmdline`, 'utf8');
  await until('the arguments are overwritten', () => !shown().includes('sluice_secret'));
  assert.match(shown(), /sluice/);
});

test('traces of the wire show no token, on either side', async (t) => {
  const tokens = new Tokens();
  const { path } = accessFile(t, {
    tokens: tokens.section(['ci']),
    rules: [{ who: ['ci'], may: ['list'], on: ['**'] }],
  });
  const args = ['--listen', '127.0.0.1:0', '--pool-threads', '1', '--admin-listen', 'off'];
  const server = new SluiceProcess(t, ['serve', scratchDirectory(t), ...args, '--access', path, '--trace']);
  const [, address = ''] = await server.says(/^sluice is ready on ([^,]+),/);
  const client = new SluiceProcess(t, ['ls', address, '--token', tokens.of('ci'), '--trace', '--verbose']);

  const { code, stderr } = await client.outcome();

  assert.equal(code, 0, stderr);
  assert.match(stderr, /subchannel/, 'there is a trace');
  assert.match(server.stderr, /ListFiles/);
  assert.ok(!`${stderr}${server.stdout}${server.stderr}`.includes(tokens.of('ci')));
});
