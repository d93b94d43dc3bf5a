/** The client proves who it is, for each call anew: also in the middle of a transfer. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { ClientOptions } from '../../src/client/options.ts';
import { clientOf, collect, failureOf } from '../client/fixtures.ts';
import { noise } from '../support/content.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { accessFile, Tokens } from './tokens.ts';

const RULES = [{ who: ['ci', 'ci2'], may: ['read', 'list', 'write', 'delete'], on: ['**'] }];

interface Scene {
  readonly server: TestServer;
  readonly tokens: Tokens;
  /** Only this identity has a token from now on. */
  allow(identity: string): Promise<void>;
}

async function served(t: TestContext): Promise<Scene> {
  const tokens = new Tokens();
  const contentFor = (identity: string) => ({
    tokens: [
      ...tokens.section([identity]),
      { identity: identity === 'ci' ? 'ci2' : 'ci', sha256: '0'.repeat(64) },
    ],
    rules: RULES,
  });
  const { path, write } = accessFile(t, contentFor('ci'));
  const server = await startServer(t, { writable: true, access: path });
  const allow = async (identity: string) => {
    write(contentFor(identity));
    await server.server.reload(server.config);
  };
  return { server, tokens, allow };
}

/** A token of whoever is allowed now; counts how often it was asked for. */
function renewing(tokens: Tokens) {
  const source = {
    identity: 'ci',
    asked: 0,
    token: async () => {
      source.asked += 1;
      return tokens.of(source.identity);
    },
  };
  return source;
}

test('a token goes with every kind of call', async (t) => {
  const { server, tokens } = await served(t);
  const source = renewing(tokens);
  for (const token of [tokens.of('ci'), source.token]) {
    const client = clientOf(t, server.address, { token });
    const content = noise(1, 100_000);
    await client.upload(Readable.from([content.bytes(0, 100_000)]), 'f', { overwrite: true });
    assert.equal(await client.getFileSize('f'), 100_000);
    assert.deepEqual(await collect(client.stream('f')), content.bytes(0, 100_000));
    const names: string[] = [];
    for await (const { name } of client.list()) names.push(name);
    assert.deepEqual(names, ['f']);
    await using session = client.session();
    assert.equal((await session.stat('f')).size, 100_000);
    await client.delete('f');
  }
  assert.ok(source.asked >= 5, `asked for ${source.asked} tokens`);
});

test('a download goes on where it was with a new token', async (t) => {
  const { allow, server, tokens } = await served(t);
  const content = server.write('f', noise(1, 16 * MIB));
  const source = renewing(tokens);
  const client = clientOf(t, server.address, { token: source.token });
  const chunks = client.stream('f');
  const first = await chunks.next();
  source.identity = 'ci2';
  await allow('ci2');
  await until('the call is ended', () => server.server.stats().streams === 0 || source.asked > 1);

  const rest = await collect(chunks);

  assert.ok(Buffer.concat([first.value as Uint8Array, rest]).equals(content.bytes(0, content.size)));
  assert.equal(source.asked, 2);
});

test('an upload goes on where it was with another token of the same identity', async (t) => {
  const tokens = new Tokens();
  const contentFor = (which: string) => ({
    tokens: tokens.section([which]).map((entry) => ({ ...entry, identity: 'ci' })),
    rules: [{ who: ['ci'], may: ['write'], on: ['**'] }],
  });
  const { path, write } = accessFile(t, contentFor('old'));
  const server = await startServer(t, { writable: true, access: path });
  let which = 'old';
  const client = clientOf(t, server.address, { token: () => tokens.of(which) });
  const content = noise(1, 4 * MIB);
  let isRenewed = () => {};
  const renewed = new Promise<void>((resolve) => {
    isRenewed = resolve;
  });
  async function* source() {
    yield content.bytes(0, 2 * MIB);
    await renewed;
    yield content.bytes(2 * MIB, 4 * MIB);
  }
  const uploading = client.upload(Readable.from(source()), 'f');
  await until('the upload is under way', () => server.server.stats().uploadStreams === 1);
  which = 'new';
  write(contentFor('new'));
  await server.server.reload(server.config);
  await until('its call is ended', () => server.server.stats().uploadStreams === 0);
  isRenewed();

  await uploading;

  assert.ok(server.read('f')?.equals(content.bytes(0, content.size)));
  await server.untilIdle();
});

test('a session goes on with a new token', async (t) => {
  const { allow, server, tokens } = await served(t);
  server.write('f', noise(1, 1000));
  const source = renewing(tokens);
  const client = clientOf(t, server.address, { token: source.token });
  await using session = client.session();
  assert.equal((await session.stat('f')).size, 1000);
  source.identity = 'ci2';
  await allow('ci2');
  await until('the stream is ended', () => server.server.stats().streams === 0);

  assert.equal((await session.stat('f')).size, 1000);
});

test('a token that is refused is asked for once more, and no more', async (t) => {
  const { server, tokens } = await served(t);
  server.write('f', noise(1, 1000));
  const source = renewing(tokens);
  source.identity = 'stranger';
  const client = clientOf(t, server.address, { token: source.token });

  const error = await failureOf(client.stat('f'));

  assert.equal(error.code, 'UNAUTHENTICATED');
  assert.equal(source.asked, 2);
  assert.ok(!`${error.message}${error.stack}`.includes(tokens.of('stranger')));
});

test('a constant token that is refused is not tried again', async (t) => {
  const { server } = await served(t);
  const { code } = await failureOf(clientOf(t, server.address, { token: 'sluice_wrong' }).stat('f'));
  assert.equal(code, 'UNAUTHENTICATED');
  await server.untilIdle();
});

test('a function that has no token ends the call with its reason', async (t) => {
  const { server } = await served(t);
  const token = async () => {
    throw new Error('the vault is sealed');
  };
  const { code, message } = await failureOf(clientOf(t, server.address, { token }).stat('f'));
  assert.equal(code, 'UNAUTHENTICATED');
  assert.equal(message, 'the token for the call cannot be had: the vault is sealed');
});

test('metadata of the caller goes with each call', async (t) => {
  const { server, tokens } = await served(t);
  server.write('f', noise(1, 1000));
  const metadata = () => ({ authorization: `Bearer ${tokens.of('ci')}` });
  assert.equal(await clientOf(t, server.address, { metadata }).getFileSize('f'), 1000);
});

test('a token never goes to another machine unencrypted unless that is said', (t) => {
  const open = (options: ClientOptions) => clientOf(t, '192.0.2.1:1', { token: 'x', ...options });
  assert.throws(() => open({ tls: false }), { code: 'INVALID_ARGUMENT', message: /unencrypted/ });
  open({});
  open({ insecure: true });
  assert.throws(
    () => clientOf(t, '192.0.2.1:1', { token: 'a b' }),
    (error: Error) => !error.message.includes('a b'),
  );
});
