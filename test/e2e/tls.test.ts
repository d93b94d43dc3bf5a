/** TLS and mutual TLS, with certificates made on the spot. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { TransferError } from '../../src/base/errors.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { assertComplete } from '../support/check-stream.ts';
import { joined, lines, noise } from '../support/content.ts';
import {
  type Certificate,
  pemsOf,
  selfSigned,
  withoutOpenssl as skip,
} from '../support/peers/certificates.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';

const REQUEST = { fileName: 'file', wantChecksums: true, canDecompress: true };

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
  const halfRead = join(directory, 'half.pem');
  const { cert } = pemsOf(good);
  writeFileSync(halfRead, Buffer.concat([cert, cert.subarray(0, 200)]));
  const isInvalid = (reason: unknown) => reason instanceof TransferError && reason.code === 'INVALID_CONFIG';
  const bad = [
    { cert: join(directory, 'missing.pem'), key: good.key },
    { cert: noise, key: good.key },
    { cert: good.cert, key: selfSigned(directory, 'other').key },
    { ...good, clientCa: join(directory, 'missing.pem') },
    { ...good, clientCa: noise },
    { ...good, clientCa: halfRead },
  ];
  for (const tls of bad) await assert.rejects(startServer(t, { tls }), isInvalid, JSON.stringify(tls));
});

test('TLS 1.2 is spoken where the configuration says so, and nowhere else', { skip }, async (t) => {
  const pair = selfSigned(scratchDirectory(t), 'server');
  const ca = readFileSync(pair.cert);
  for (const minVersion of ['1.2', '1.3'] as const) {
    const server = await startServer(t, { tls: { ...pair, minVersion } });
    const { port } = server;
    const old = connect({ port, ca, servername: 'localhost', maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] });
    const outcome = await once(old, 'secureConnect').then(
      () => old.getProtocol(),
      (error: Error) => error.message,
    );
    if (minVersion === '1.2') assert.equal(outcome, 'TLSv1.2');
    else assert.match(String(outcome), /protocol version/);
    old.destroy();
  }
});

test('a client accepts TLS 1.2 only when it is told to', { skip }, async (t) => {
  const pair = pemsOf(selfSigned(scratchDirectory(t), 'server'));
  const old = createServer({ ...pair, maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }, (socket) =>
    socket.end(),
  );
  old.on('tlsClientError', () => {});
  old.listen(0, '127.0.0.1');
  await once(old, 'listening');
  t.after(() => old.close());
  const { port } = old.address() as AddressInfo;
  const failureOf = async (minVersion: '1.2' | '1.3' | undefined) => {
    const tls = { ca: pair.cert, minVersion };
    const client = new SluiceClient(`localhost:${port}`, { tls, retry: { attempts: 1 } });
    t.after(() => client.close());
    return await client.stat('a').then(
      () => 'connected',
      (error: Error) => error.message,
    );
  };
  assert.match(await failureOf(undefined), /does not speak TLS 1\.3; .*--tls-min-version 1\.2/);
  assert.doesNotMatch(await failureOf('1.2'), /TLS 1\.3/);
});
