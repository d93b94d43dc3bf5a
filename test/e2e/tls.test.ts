/** TLS and mutual TLS, with certificates made on the spot. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { TransferError } from '../../src/base/errors.ts';
import { assertComplete } from '../support/check-stream.ts';
import { joined, lines, noise } from '../support/content.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const skip = hasOpenssl ? false : 'this machine has no openssl command to make certificates with';
const REQUEST = { fileName: 'file', wantChecksums: true, canDecompress: true };

interface Certificate {
  cert: string;
  key: string;
}

/** A certificate for `name`, signed by itself. */
function selfSigned(directory: string, name: string): Certificate {
  const pair = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  const args =
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name}`.split(' ');
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = spawnSync('openssl', [...args, ...names, '-keyout', pair.key, '-out', pair.cert]);
  assert.equal(made.status, 0, made.stderr.toString());
  return pair;
}

function secureClient(t: TestContext, server: TestServer, ca: Certificate, own?: Certificate): RawClient {
  const pems = own === undefined ? [] : [readFileSync(own.key), readFileSync(own.cert)];
  // Node 26 refuses to ask for an address by name, which is what grpc-js would do.
  const options = { 'grpc.ssl_target_name_override': 'localhost' };
  const client = new RawClient(
    server.address,
    options,
    credentials.createSsl(readFileSync(ca.cert), ...pems),
  );
  t.after(() => client.close());
  return client;
}

for (const zeroCopy of [true, false]) {
  test(`TLS carries the right bytes (zero copy: ${zeroCopy})`, { skip }, async (t) => {
    const tls = selfSigned(scratchDirectory(t), 'server');
    const server = await startServer(t, { tls }, { zeroCopy });
    const content = server.write('file', joined(noise(1, 9 * MIB), lines(3 * MIB)));
    const client = secureClient(t, server, tls);
    const received = await Promise.all([client.fetch(REQUEST), client.fetch(REQUEST)]);
    for (const each of received) assertComplete(each, { request: REQUEST, content, chunkBytes: 64 * KIB });
    await server.untilIdle();
  });
}

test('a TLS server does not talk to a plaintext client, and not to one that does not trust it', {
  skip,
}, async (t) => {
  const directory = scratchDirectory(t);
  const server = await startServer(t, { tls: selfSigned(directory, 'server') });
  server.write('file', lines(100));
  assert.equal((await server.client().fetch(REQUEST)).status, 'UNAVAILABLE');
  const other = secureClient(t, server, selfSigned(directory, 'other'));
  assert.equal((await other.fetch(REQUEST)).status, 'UNAVAILABLE');
});

test('with a client authority only clients that it signed are served', { skip }, async (t) => {
  const directory = scratchDirectory(t);
  const [own, client, stranger] = ['server', 'client', 'stranger'].map((name) =>
    selfSigned(directory, name),
  ) as [Certificate, Certificate, Certificate];
  const server = await startServer(t, { tls: { ...own, clientCa: client.cert } });
  const content = server.write('file', noise(1, MIB));
  const received = await secureClient(t, server, own, client).fetch(REQUEST);
  assertComplete(received, { request: REQUEST, content, chunkBytes: 64 * KIB });
  assert.equal((await secureClient(t, server, own, stranger).fetch(REQUEST)).status, 'UNAVAILABLE');
  assert.equal((await secureClient(t, server, own).fetch(REQUEST)).status, 'UNAVAILABLE');
});

test('certificates that cannot be used are INVALID_CONFIG', { skip }, async (t) => {
  const directory = scratchDirectory(t);
  const good = selfSigned(directory, 'good');
  const noise = join(directory, 'noise.pem');
  writeFileSync(noise, 'no PEM');
  const isInvalid = (reason: unknown) => reason instanceof TransferError && reason.code === 'INVALID_CONFIG';
  const bad = [
    { cert: join(directory, 'missing.pem'), key: good.key },
    { cert: noise, key: good.key },
    { cert: good.cert, key: selfSigned(directory, 'other').key },
    { ...good, clientCa: join(directory, 'missing.pem') },
    { ...good, clientCa: noise },
  ];
  for (const tls of bad) await assert.rejects(startServer(t, { tls }), isInvalid, JSON.stringify(tls));
});
