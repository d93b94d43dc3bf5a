/** JWTs: whose they are, and every way in which one is not what it says. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import {
  base64url,
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { parseAccess } from '../../src/access/access-file.ts';
import { Authenticator } from '../../src/access/authenticator.ts';
import type { Identity } from '../../src/access/identity.ts';
import { KeySet } from '../../src/access/proofs/key-set.ts';
import { TransferError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { accessFile } from './tokens.ts';

const ISSUER = 'https://id.example.org';
const AUDIENCE = 'sluice';
const ALG = 'ES256';

interface Signer {
  readonly key: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

async function signer(kid: string, alg = ALG): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { key: privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

const now = () => Math.floor(Date.now() / 1000);

/** A good one, but for what is given. */
function signed(
  { key }: Pick<Signer, 'key'>,
  claims: JWTPayload = {},
  header: Record<string, string> = {},
): Promise<string> {
  const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: now() + 600, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: ALG, kid: 'k1', ...header }).sign(key);
}

const ENTRY = { issuer: ISSUER, audience: AUDIENCE, algorithms: [ALG], jwks: 'keys.json', groups: 'groups' };

/** With the keys in a file. */
function authenticatorOf(t: TestContext, keys: readonly JWK[], entry: object = {}) {
  const path = join(scratchDirectory(t), 'keys.json');
  const write = (written: readonly JWK[]) => writeFileSync(path, JSON.stringify({ keys: written }));
  write(keys);
  let nowMs = 0;
  const rules = parseAccess(JSON.stringify({ jwt: [{ ...ENTRY, ...entry }] }), 'access.yaml');
  const authenticator = new Authenticator(rules, () => new KeySet(path, silentLogger, () => nowMs));
  const identify = async (token: string): Promise<Identity> =>
    await authenticator.identify({
      headers: { authorization: `Bearer ${token}` },
      peerCertificate: undefined,
      address: undefined,
    });
  /** 'OK', or what is wrong with it. */
  const judged = async (token: string): Promise<string> => {
    try {
      await identify(token);
      return 'OK';
    } catch (reason) {
      const error = TransferError.from(reason);
      assert.ok(!error.message.includes(token), 'no message has the token');
      return error.code === 'UNAUTHENTICATED' ? error.message : error.code;
    }
  };
  return { authenticator, identify, judged, write, pass: (ms: number) => (nowMs += ms) };
}

describe('a JWT', () => {
  it('names an identity and groups, with the prefix of its issuer', async (t) => {
    const k1 = await signer('k1');
    const { identify } = authenticatorOf(t, [k1.jwk]);
    const exp = now() + 600;

    const identity = await identify(await signed(k1, { groups: ['staff', 7, 'a\nb'], exp }));

    assert.deepEqual(identity, {
      name: 'jwt:alice',
      groups: ['jwt:staff'],
      proof: 'jwt',
      expiresMs: (exp + 30) * 1000,
    });
    const other = authenticatorOf(t, [k1.jwk], { identity: 'email', prefix: 'corp:' });
    assert.equal(
      (await other.identify(await signed(k1, { email: 'a@example.org' }))).name,
      'corp:a@example.org',
    );
  });

  it('is verified once, and then known until it expires', async (t) => {
    const k1 = await signer('k1');
    const { authenticator, identify } = authenticatorOf(t, [k1.jwk]);
    const token = await signed(k1);
    const request = {
      headers: { authorization: `Bearer ${token}` },
      peerCertificate: undefined,
      address: undefined,
    };

    const [first, second] = await Promise.all([identify(token), identify(token)]);

    assert.equal(first, second, 'two calls at once wait for one verification');
    assert.equal(authenticator.identify(request), first);
  });

  it('is refused for every way to be wrong', async (t) => {
    const [k1, k2, rsa] = await Promise.all([signer('k1'), signer('k2'), signer('r1', 'RS256')]);
    const { judged } = authenticatorOf(t, [k1.jwk, rsa.jwk]);
    const [header, payload, signature] = (await signed(k1)).split('.');
    const encode = (value: object) => base64url.encode(JSON.stringify(value));
    const good = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: now() + 600 };
    const spki = new TextEncoder().encode(await exportSPKI(k1.publicKey));
    const hmac = (secret: Uint8Array) =>
      new SignJWT(good).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret);
    const wrong: Record<string, string> = {
      'no signature, alg none': `${encode({ alg: 'none' })}.${encode(good)}.`,
      'alg none with a signature': `${encode({ alg: 'none', kid: 'k1' })}.${payload}.${signature}`,
      'a signature cut off': `${header}.${payload}.`,
      'another payload': `${header}.${encode({ ...good, sub: 'eve' })}.${signature}`,
      'a shared secret that is the public key': await hmac(spki),
      'a shared secret that is the JWK': await hmac(new TextEncoder().encode(JSON.stringify(k1.jwk))),
      'an algorithm that is not accepted': await signed(rsa, {}, { alg: 'RS256', kid: 'r1' }),
      'a key that is not among those': await signed(k2, {}, { kid: 'k2' }),
      'a key under the name of another': await signed(k2),
      'a key of its own in the header': await new SignJWT(good)
        .setProtectedHeader({ alg: ALG, jwk: k2.jwk })
        .sign(k2.key),
      'a critical header that nobody knows': `${encode({ alg: ALG, kid: 'k1', crit: ['x'], x: 1 })}.${payload}.${signature}`,
      'an issuer that nobody named': await signed(k1, { iss: 'https://evil.example.org' }),
      'another audience': await signed(k1, { aud: 'other' }),
      'no audience': await new SignJWT({ ...good, aud: undefined as never })
        .setProtectedHeader({ alg: ALG, kid: 'k1' })
        .sign(k1.key),
      expired: await signed(k1, { exp: now() - 31 }),
      'no expiry': await new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: 'alice' })
        .setProtectedHeader({ alg: ALG, kid: 'k1' })
        .sign(k1.key),
      'not valid yet': await signed(k1, { nbf: now() + 60 }),
      'no name': await signed(k1, { sub: undefined as never }),
      'an empty name': await signed(k1, { sub: '' }),
      'a name with a line break': await signed(k1, { sub: 'a\nb' }),
      'too long': await signed(k1, { more: 'x'.repeat(8192) }),
      'no JWT': 'a.b.c',
      'nothing in it': '..',
    };
    for (const [what, token] of Object.entries(wrong)) {
      const result = await judged(token);
      assert.notEqual(result, 'OK', what);
      assert.match(result, /token|proof/, `${what}: ${result}`);
    }
    assert.match(await judged(String(wrong.expired)), /expired; get a new one/);
    assert.match(await judged(String(wrong['another audience'])), /"aud"/);
  });

  it('may be wrong about the time by half a minute', async (t) => {
    const k1 = await signer('k1');
    const { judged } = authenticatorOf(t, [k1.jwk]);
    assert.equal(await judged(await signed(k1, { exp: now() - 20 })), 'OK');
    assert.equal(await judged(await signed(k1, { nbf: now() + 20 })), 'OK');
  });

  it('is accepted with a new key of its issuer, and no more without its own', async (t) => {
    const [k1, k2] = await Promise.all([signer('k1'), signer('k2')]);
    const { judged, pass, write } = authenticatorOf(t, [k1.jwk]);
    const old = await signed(k1);
    assert.equal(await judged(old), 'OK');
    write([k2.jwk]);
    const renewed = await signed(k2, {}, { kid: 'k2' });
    assert.notEqual(await judged(renewed), 'OK', 'within the cooldown the file is not read again');

    pass(2_000);

    assert.equal(await judged(renewed), 'OK');
    assert.notEqual(await judged(old), 'OK', 'also one that was verified before');
  });
});

describe('keys at an address', () => {
  interface Scene {
    readonly keys: KeySet;
    readonly asked: () => number;
    answer(respond: { status?: number; body?: string }): void;
    pass(ms: number): void;
    judge(token: string): Promise<string>;
  }

  async function scene(t: TestContext, jwks: readonly JWK[]): Promise<Scene> {
    let asked = 0;
    let nowMs = 0;
    let answer: { status?: number; body?: string } = { body: JSON.stringify({ keys: jwks }) };
    const server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(answer.status ?? 200, answer.status === 302 ? { location: '/' } : {});
      response.end(answer.body);
    });
    const address = await listening(t, server);
    const keys = new KeySet(address, silentLogger, () => nowMs);
    const rules = parseAccess(JSON.stringify({ jwt: [{ ...ENTRY, jwks: address }] }), 'access.yaml');
    const authenticator = new Authenticator(rules, () => keys);
    return {
      keys,
      asked: () => asked,
      answer: (respond) => {
        answer = respond;
      },
      pass: (ms) => {
        nowMs += ms;
      },
      judge: async (token) => {
        try {
          const request = {
            headers: { authorization: `Bearer ${token}` },
            peerCertificate: undefined,
            address: undefined,
          };
          await authenticator.identify(request);
          return 'OK';
        } catch (reason) {
          return TransferError.from(reason).code;
        }
      },
    };
  }

  it('are asked for once, whatever the number of tokens, and again when they are old', async (t) => {
    const k1 = await signer('k1');
    const { asked, judge, keys, pass } = await scene(t, [k1.jwk]);
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => signed(k1, { sub: `s${index}` })),
    );
    assert.deepEqual(new Set(await Promise.all(tokens.map(judge))), new Set(['OK']));
    assert.equal(asked(), 1);

    pass(600_000);
    assert.equal(await judge(await signed(k1, { sub: 'late' })), 'OK');
    await keys.refresh();
    assert.equal(asked(), 2);
  });

  it('are not asked for by a flood of tokens of unknown keys', async (t) => {
    const [k1, k2] = await Promise.all([signer('k1'), signer('k2')]);
    const { asked, judge, pass } = await scene(t, [k1.jwk]);
    assert.equal(await judge(await signed(k1)), 'OK');
    for (let index = 0; index < 50; index++)
      assert.equal(
        await judge(await signed(k2, { sub: `s${index}` }, { kid: `x${index}` })),
        'UNAUTHENTICATED',
      );
    assert.equal(asked(), 1);
    pass(30_000);
    assert.equal(await judge(await signed(k2, {}, { kid: 'x' })), 'UNAUTHENTICATED');
    assert.equal(asked(), 2);
  });

  it('stay in use while no others can be had', async (t) => {
    const k1 = await signer('k1');
    const { answer, asked, judge, keys, pass } = await scene(t, [k1.jwk]);
    assert.equal(await judge(await signed(k1)), 'OK');
    for (const [index, wrong] of [
      { status: 500 },
      { body: 'no JSON' },
      { body: '{}' },
      { status: 302 },
      { body: ' '.repeat(300_000) },
    ].entries()) {
      answer(wrong);
      pass(600_000);
      await keys.refresh();
      assert.equal(await judge(await signed(k1, { sub: `s${index}` })), 'OK');
    }
    assert.ok(asked() >= 6);
  });

  it('are UNAVAILABLE before they were had once, and then soon asked for again', async (t) => {
    const k1 = await signer('k1');
    const { answer, judge, pass } = await scene(t, [k1.jwk]);
    answer({ status: 500 });
    assert.equal(await judge(await signed(k1)), 'UNAVAILABLE');
    answer({ body: JSON.stringify({ keys: [k1.jwk] }) });
    assert.equal(await judge(await signed(k1)), 'UNAVAILABLE');
    pass(5_000);
    assert.equal(await judge(await signed(k1)), 'OK');
  });
});

test('a call waits while its JWT is verified, without a place, and ends in time', async (t) => {
  const k1 = await signer('k1');
  let release = () => {};
  const jwks = createServer((_request, response) => {
    release = () => response.end(JSON.stringify({ keys: [k1.jwk] }));
  });
  const address = await listening(t, jwks);
  const { path } = accessFile(t, {
    jwt: [{ ...ENTRY, jwks: address }],
    rules: [{ who: ['jwt:alice'], may: ['read'], on: ['**'] }],
  });
  const server = await startServer(t, { access: path });
  server.write('f', noise(1, 1000));
  const token = await signed(k1);
  const asking = server.client({}, token).unary('StatFile', { fileName: 'f' });
  const streaming = server.client({}, token).fetch({ fileName: 'f' });
  await until('the server has connections', () => server.server.stats().connections === 2);
  assert.equal(server.server.stats().calls + server.server.stats().streams, 0);

  release();

  assert.equal((await asking).status, 'OK');
  const { bytes, status } = await streaming;
  assert.equal(status, 'OK');
  assert.equal(bytes.length, 1000);
  const { code } = await server
    .client({}, await signed(k1, { sub: 'eve' }))
    .unary('StatFile', { fileName: 'f' });
  assert.equal(code, 'PERMISSION_DENIED');
  await server.untilIdle();
});

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
}
