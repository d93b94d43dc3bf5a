/** The HTTP listener of operators where other machines could reach it: under a name of this one. */
import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { cpSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { accessFile, Tokens } from '../access/tokens.ts';
import { selfSigned, signedBy, withoutOpenssl } from '../support/peers/certificates.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { startServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';

/** Tests listen on the loopback interface only; the rules take every name but localhost for one that others reach. */
const found = await lookup(hostname()).catch(() => ({ address: '' }));
const skip =
  withoutOpenssl ||
  (found.address.startsWith('127.') ? false : 'the name of this machine is no loopback name');

interface Asked {
  readonly address: string;
  readonly ca: Buffer;
  readonly path: string;
  readonly token?: string;
  readonly certificate?: { cert: Buffer; key: Buffer };
}

/** The status of an answer; rejects where there is no connection. */
async function ask({ address, ca, certificate, path, token }: Asked): Promise<number> {
  const { port } = new URL(`https://${address}`);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const options = { host: found.address, port, path, ca, servername: 'localhost', agent: false, headers };
  const answer = new Promise<number>((resolve, reject) => {
    request({ ...options, ...certificate }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
  return await within(path, answer);
}

test('beyond loopback a token or a client certificate opens it, and only over TLS', { skip }, async (t) => {
  const folder = scratchDirectory(t);
  const pair = selfSigned(folder, 'server');
  const authority = selfSigned(folder, 'authority');
  const client = signedBy(authority, folder, 'backup');
  const ca = readFileSync(pair.cert);
  const certificate = { cert: readFileSync(client.cert), key: readFileSync(client.key) };
  const tokens = new Tokens();
  const access = accessFile(t, {
    tokens: tokens.section(['operator']),
    certificates: [{ identity: 'backup', subject: 'CN=backup' }],
    rules: [{ who: ['operator', 'backup'], may: ['observe'] }],
  });
  const server = await startServer(t, {
    access: access.path,
    admin: { listen: `${hostname()}:0` },
    tls: { ...pair, clientCa: authority.cert },
  });
  const address = server.server.adminAddress ?? '';
  const asked = { address, ca, path: '/metrics' };

  assert.equal(await ask({ ...asked, path: '/readyz' }), 200);
  assert.equal(await ask(asked), 401);
  assert.equal(await ask({ ...asked, token: tokens.of('operator') }), 200);
  assert.equal(await ask({ ...asked, certificate }), 200);
  const stranger = { cert: ca, key: readFileSync(pair.key) };
  assert.equal(await ask({ ...asked, certificate: stranger }), 401);
  await assert.rejects(within('plain HTTP', fetch(`http://${address}/readyz`)));
});

test('its certificate is renewed with that of the server', { skip }, async (t) => {
  const folder = scratchDirectory(t);
  const [first, second] = [selfSigned(folder, 'first'), selfSigned(folder, 'second')];
  const pair = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  const put = (from: typeof pair) => {
    cpSync(from.cert, pair.cert);
    cpSync(from.key, pair.key);
  };
  put(first);
  const access = accessFile(t, { tokens: new Tokens().section(['operator']), rules: [] });
  const server = await startServer(t, {
    access: access.path,
    admin: { listen: `${hostname()}:0` },
    tls: pair,
  });
  const asked = { address: server.server.adminAddress ?? '', path: '/livez' };
  assert.equal(await ask({ ...asked, ca: readFileSync(first.cert) }), 200);

  put(second);
  await server.server.reload(server.config);

  assert.equal(await ask({ ...asked, ca: readFileSync(second.cert) }), 200);
  await assert.rejects(ask({ ...asked, ca: readFileSync(first.cert) }));
});
