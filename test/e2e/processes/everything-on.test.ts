import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SluiceClient } from '../../../src/client/client.ts';
import { accessFile, Tokens } from '../../access/tokens.ts';
import { S3Server } from '../../support/bucket/s3-server.ts';
import { noise } from '../../support/content.ts';
import { selfSigned, withoutOpenssl } from '../../support/peers/certificates.ts';
import { scratchDirectory, scratchRoot } from '../../support/scratch.ts';
import { MIB } from '../../support/test-server.ts';
import { SeveralProcesses } from './several-processes.ts';

const BYTES = noise(5, 2 * MIB + 5).bytes(0, 2 * MIB + 5);

test('each process asks for TLS and tokens, and knows nobody without', {
  skip: withoutOpenssl,
}, async (t) => {
  const tokens = new Tokens();
  tokens.of('ours');
  const { path } = accessFile(t, {
    tokens: tokens.section(),
    rules: [{ who: ['ours'], on: ['**'], may: ['read', 'write', 'list'] }],
  });
  const { cert, key } = selfSigned(scratchDirectory(t), 'server');
  const args = ['--writable', '--uploads-min-free', '0', '--tls-cert', cert, '--tls-key', key];
  const server = await SeveralProcesses.start(t, {
    root: scratchRoot(t),
    args: [...args, '--access', path],
  });
  const clientOf = (token?: string) => {
    const tls = { ca: readFileSync(cert) };
    const client = new SluiceClient(server.address, { tls, token, ownConnection: true });
    t.after(() => client.close());
    return client;
  };
  // In turn: two connections come to two processes.
  for (const at of [0, 1]) await clientOf(tokens.of('ours')).upload(BYTES, `file-${at}`);
  for (const at of [0, 1]) {
    const hash = createHash('sha256');
    await clientOf(tokens.of('ours')).download(`file-${at}`, hash);
    assert.equal(hash.digest('hex'), digestOf(BYTES));
    await assert.rejects(clientOf().stat(`file-${at}`), { code: 'UNAUTHENTICATED' });
  }
});

test('processes share a bucket', async (t) => {
  const s3 = await S3Server.start(t);
  s3.put('file', BYTES);
  const server = await SeveralProcesses.start(t, {
    root: 's3://bucket',
    args: ['--s3-endpoint', s3.endpoint, '--s3-path-style'],
    env: { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' },
  });
  for (let connection = 0; connection < 4; connection += 1) {
    const client = new SluiceClient(server.address, { ownConnection: true });
    t.after(() => client.close());
    const hash = createHash('sha256');
    await client.download('file', hash);
    assert.equal(hash.digest('hex'), digestOf(BYTES));
  }
  assert.equal(await server.metric('sluice_calls_total', 'method="StreamFile"'), 4);
});

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
