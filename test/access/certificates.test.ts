/** Certificates of clients as proofs: what of them names an identity, and what does not. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { parseAccess } from '../../src/access/access-file.ts';
import { Certificates } from '../../src/access/proofs/certificates.ts';
import { noise } from '../support/content.ts';
import {
  type Certificate,
  selfSigned,
  signedBy,
  withoutOpenssl as skip,
} from '../support/peers/certificates.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { startServer, type TestServer } from '../support/test-server.ts';
import { accessFile, Tokens } from './tokens.ts';

function identityOf(entry: object, certificate: Certificate): string | undefined {
  const rules = parseAccess(
    JSON.stringify({ certificates: [{ identity: 'backup', ...entry }] }),
    'access.yaml',
  );
  const found = new Certificates(rules.certificates).identityOf(
    new X509Certificate(readFileSync(certificate.cert)),
  );
  return found?.name;
}

test('a certificate is known by one of its names, whole and of its kind', { skip }, (t) => {
  const directory = scratchDirectory(t);
  const names = 'URI:spiffe://example.org/backup,DNS:backup.example.org,email:b@example.org';
  const good = selfSigned(directory, 'good', names);

  assert.equal(identityOf({ uri: 'spiffe://example.org/backup' }, good), 'backup');
  assert.equal(identityOf({ dns: 'backup.example.org' }, good), 'backup');
  assert.equal(identityOf({ email: 'b@example.org' }, good), 'backup');
  assert.equal(identityOf({ subject: 'CN=good' }, good), 'backup');
  for (const entry of [
    { uri: 'spiffe://example.org' },
    { uri: 'spiffe://example.org/backup2' },
    { uri: 'backup.example.org' },
    { dns: 'spiffe://example.org/backup' },
    { dns: 'example.org' },
    { dns: 'good' },
    { email: 'backup.example.org' },
    { subject: 'CN=goo' },
    { subject: 'O=good' },
    { subject: 'CN=good, O=other' },
  ])
    assert.equal(identityOf(entry, good), undefined, JSON.stringify(entry));
});

test('a name with a separator in it passes for no other name', () => {
  // As Node writes the names of a certificate: one URI with a comma, which it quotes.
  const certificateOf = (subjectAltName: string) =>
    ({ subject: 'CN=x', subjectAltName, validTo: 'Jan  1 00:00:00 2040 GMT' }) as X509Certificate;
  const entry = { identity: 'backup', uri: 'spiffe://example.org/backup' };
  const known = new Certificates(parseAccess(JSON.stringify({ certificates: [entry] }), 'x').certificates);

  assert.equal(known.identityOf(certificateOf(`DNS:a, URI:${entry.uri}`))?.name, 'backup');
  assert.equal(known.identityOf(certificateOf(`URI:"http://a/, URI:${entry.uri}"`)), null);
  assert.equal(known.identityOf(certificateOf(`URI:"http://a/\\", URI:${entry.uri}"`)), null);
  assert.equal(known.identityOf(certificateOf(`URI:${entry.uri}"x`)), null);
});

interface Scene {
  readonly server: TestServer;
  ask(own?: Certificate, token?: string): Promise<string>;
}

async function served(
  t: TestContext,
  clientCert: 'require' | 'request',
  tokens = new Tokens(),
): Promise<Scene & { directory: string; authority: Certificate }> {
  const directory = scratchDirectory(t);
  const own = selfSigned(directory, 'server');
  const authority = selfSigned(directory, 'authority');
  const { path } = accessFile(t, {
    tokens: tokens.section(['ci']),
    certificates: [{ identity: 'backup', subject: 'CN=backup' }],
    rules: [
      { who: ['backup'], may: ['read'], on: ['b'] },
      { who: ['ci'], may: ['read'], on: ['c'] },
    ],
  });
  const server = await startServer(t, {
    access: path,
    tls: { ...own, clientCa: authority.cert, clientCert },
  });
  server.write('b', noise(1, 10));
  server.write('c', noise(1, 10));
  /** The names that may be read, or why none. */
  const ask = async (certificate?: Certificate, token?: string) => {
    const pems =
      certificate === undefined ? [] : [readFileSync(certificate.key), readFileSync(certificate.cert)];
    const options = { 'grpc.ssl_target_name_override': 'localhost' };
    const client = new RawClient(
      server.address,
      options,
      credentials.createSsl(readFileSync(own.cert), ...pems),
      token,
    );
    t.after(() => client.close());
    const answers = [];
    for (const fileName of ['b', 'c'])
      answers.push({ fileName, ...(await client.unary('StatFile', { fileName })) });
    const readable = answers.filter(({ status }) => status === 'OK').map(({ fileName }) => fileName);
    return readable.length > 0 ? readable.join() : String(answers[0]?.status);
  };
  return { server, directory, authority, ask };
}

test('a client is who its certificate says, unless its token says otherwise', { skip }, async (t) => {
  const tokens = new Tokens();
  const { ask, authority, directory } = await served(t, 'request', tokens);
  const backup = signedBy(authority, directory, 'backup');
  const other = signedBy(authority, directory, 'other');
  const impostor = selfSigned(scratchDirectory(t), 'backup');

  assert.equal(await ask(backup), 'b');
  assert.equal(await ask(backup, tokens.of('ci')), 'c');
  assert.equal(await ask(backup, 'sluice_wrong'), 'UNAUTHENTICATED', 'a wrong token is not made good');
  assert.equal(await ask(undefined, tokens.of('ci')), 'c');
  assert.equal(await ask(), 'UNAUTHENTICATED');
  assert.equal(await ask(other), 'UNAUTHENTICATED', 'signed, but not named in the file');
  assert.equal(await ask(impostor), 'UNAUTHENTICATED', 'named, but not signed');
  assert.equal(await ask(impostor, tokens.of('ci')), 'c');
});

test('where a certificate is required, a token does not replace it', { skip }, async (t) => {
  const tokens = new Tokens();
  const { ask, authority, directory } = await served(t, 'require', tokens);

  assert.equal(await ask(signedBy(authority, directory, 'backup')), 'b');
  assert.equal(await ask(undefined, tokens.of('ci')), 'UNAVAILABLE');
  assert.equal(await ask(selfSigned(scratchDirectory(t), 'backup')), 'UNAVAILABLE');
});

test('certificates in the file need an authority in the configuration', async (t) => {
  const { path } = accessFile(t, { certificates: [{ identity: 'backup', subject: 'CN=backup' }] });
  await assert.rejects(startServer(t, { access: path }), {
    code: 'INVALID_CONFIG',
    message: /certificates are never presented without tls\.clientCa/,
  });
});
