/** A program that has identities and rights of its own gives its server functions for them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AccessFunctions } from '../../src/access/own-access.ts';
import { SluiceServer } from '../../src/server/server.ts';
import { noise, writeContent } from '../support/content.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { scratchRoot } from '../support/scratch.ts';
import { testConfig } from '../support/test-server.ts';
import { accessFile, Tokens } from './tokens.ts';

async function served(t: TestContext, functions: AccessFunctions, access = '') {
  const root = scratchRoot(t);
  for (const name of ['a', 'b']) writeContent(`${root}/${name}`, noise(1, 10));
  const server = new SluiceServer(testConfig(root, { access }), functions);
  const { address } = await server.start();
  t.after(() => server.stop(0));
  return async (fileName: string, token?: string) => {
    const client = new RawClient(address, {}, undefined, token);
    t.after(() => client.close());
    const { code, status } = await client.unary('StatFile', { fileName });
    return status === 'OK' ? 'OK' : code;
  };
}

for (const isAsync of [false, true]) {
  test(`authenticate says who calls, and is told what the call says (async: ${isAsync})`, async (t) => {
    const seen: unknown[] = [];
    const ask = await served(t, {
      authenticate: ({ address, headers, peerCertificate }) => {
        seen.push([address, headers.authorization, peerCertificate]);
        const identity = headers.authorization === 'Bearer x' ? { name: 'alice' } : null;
        return isAsync ? Promise.resolve(identity) : identity;
      },
      authorize: ({ name, proof }, right, path) =>
        name === 'alice' && proof === 'own' && right === 'read' && path === 'a',
    });

    assert.equal(await ask('a', 'x'), 'OK');
    assert.equal(await ask('b', 'x'), 'PERMISSION_DENIED');
    assert.equal(await ask('a', 'y'), 'UNAUTHENTICATED');
    assert.equal(await ask('a'), 'UNAUTHENTICATED');
    assert.deepEqual(seen[0], ['127.0.0.1', 'Bearer x', undefined]);
  });
}

test('one function goes with what the access file says of the other', async (t) => {
  const tokens = new Tokens();
  const { path } = accessFile(t, {
    tokens: tokens.section(['ci']),
    jwt: [{ issuer: 'i', audience: 'a', algorithms: ['ES256'], jwks: 'keys.json' }],
    rules: [{ who: ['jwt:alice'], may: ['read'], on: ['a'] }],
  });
  const byFile = await served(t, { authenticate: () => ({ name: 'jwt:alice' }) }, path);
  assert.equal(await byFile('a'), 'OK');
  assert.equal(await byFile('b'), 'PERMISSION_DENIED');
  const byFunction = await served(
    t,
    { authorize: ({ name }, _right, file) => name === 'ci' && file === 'b' },
    path,
  );
  assert.equal(await byFunction('b', tokens.of('ci')), 'OK');
  assert.equal(await byFunction('a', tokens.of('ci')), 'PERMISSION_DENIED');
  assert.equal(await byFunction('b'), 'UNAUTHENTICATED');
});

test('rules that change leave running calls of a function alone, and hold for their next request', async (t) => {
  const tokens = new Tokens();
  const content = (on: string) => ({
    tokens: tokens.section(['ci']),
    rules: [{ who: ['ci'], may: ['read'], on: [on] }],
  });
  const { path, write } = accessFile(t, content('a'));
  const root = scratchRoot(t);
  for (const name of ['a', 'b']) writeContent(`${root}/${name}`, noise(1, 10));
  let asked = 0;
  const authenticate = () => {
    asked += 1;
    return { name: 'ci' };
  };
  const config = testConfig(root, { access: path });
  const server = new SluiceServer(config, { authenticate });
  const { address } = await server.start();
  t.after(() => server.stop(0));
  const exchange = new RawExchange(address);
  t.after(() => exchange.close());
  const stat = (fileName: string) => exchange.endOf(exchange.ask({ stat: { fileName } }));
  assert.deepEqual([await stat('a'), await stat('b')], ['OK', 'PERMISSION_DENIED']);

  write(content('b'));
  await server.reload(config);

  assert.deepEqual([await stat('a'), await stat('b')], ['PERMISSION_DENIED', 'OK']);
  assert.equal(asked, 1);
});

test('authenticate alone lets whoever it knows do everything', async (t) => {
  const ask = await served(t, {
    authenticate: ({ headers }) => (headers.authorization === undefined ? null : { name: 'known' }),
  });
  assert.equal(await ask('a', 'x'), 'OK');
  assert.equal(await ask('a'), 'UNAUTHENTICATED');
});

test('a function that fails lets nobody in', async (t) => {
  const fail = () => {
    throw new Error('no database');
  };
  assert.equal(await (await served(t, { authenticate: fail }))('a'), 'INTERNAL');
  assert.equal(await (await served(t, { authorize: fail }))('a'), 'INTERNAL');
  assert.equal(await (await served(t, { authenticate: () => ({ name: '' }) }))('a'), 'INTERNAL');
});
