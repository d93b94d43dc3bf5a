/** How much may be stored below a name, whichever way files come and go. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { noise } from '../support/content.ts';
import type { RawClient } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { chunkMessages, expectedOf, sendMessages } from '../support/peers/raw-upload.ts';
import { scratchRoot } from '../support/scratch.ts';
import { Random, seedOf } from '../support/seed.ts';
import { STORES, type StoreKind, startServer, type TestServer } from '../support/test-server.ts';
import { accessFile, Tokens } from './tokens.ts';

const EVERYTHING = { who: ['ci'], may: ['read', 'list', 'write', 'delete'], on: ['**'] };

interface Scene {
  readonly server: TestServer;
  readonly client: RawClient;
  readonly token: string;
  /** Uploads a file of `size` bytes; the code of the first call that is refused, or 'OK'. */
  put(name: string, size: number, declares?: boolean): Promise<string>;
  remove(name: string): Promise<string>;
}

async function served(t: TestContext, store: StoreKind, quotas: readonly object[]): Promise<Scene> {
  const tokens = new Tokens();
  const file = accessFile(t, { tokens: tokens.section(['ci']), rules: [EVERYTHING], quotas });
  const root = scratchRoot(t);
  const server = await startServer(t, { writable: true, access: file.path }, { root, store });
  const token = tokens.of('ci');
  const client = server.client({}, token);
  return {
    server,
    client,
    token,
    put: async (name, size, declares = true) => {
      const content = noise(size, size);
      const started = await client.unary('StartUpload', {
        fileName: name,
        overwrite: 'OVERWRITE_ALWAYS',
        ...(declares ? { expected: { size } } : {}),
      });
      if (started.answer === undefined) return started.code;
      const uploadId = String(started.answer.uploadId);
      const messages = chunkMessages(content, 0, size, new Random(seedOf(t)), 1000);
      const sent = await sendMessages(client, uploadId, messages);
      const finish = { uploadId, expected: expectedOf(content) };
      const { code } = sent.status === 'OK' ? await client.unary('FinishUpload', finish) : sent;
      if (code !== '') await client.unary('AbortUpload', { uploadId });
      return code || 'OK';
    },
    remove: async (name) => (await client.unary('DeleteFile', { fileName: name })).code || 'OK',
  };
}

for (const store of STORES) {
  test(`a quota of bytes holds for new files, larger files and files that were there (${store})`, async (t) => {
    const { put, remove, server } = await served(t, store, [{ on: 'home', bytes: 10_000 }]);
    assert.equal(await put('home/a', 6000), 'OK');
    assert.equal(await put('home/b', 6000), 'QUOTA_EXCEEDED');
    assert.equal(await put('home/b', 6000, false), 'QUOTA_EXCEEDED', 'also without a declared size');
    assert.equal(server.read('home/b'), undefined);
    assert.equal(await put('homely/b', 60_000), 'OK', 'names beside it are free');
    assert.equal(await put('home/b', 4000), 'OK');
    assert.equal(await put('home/a', 6001), 'QUOTA_EXCEEDED');
    assert.equal(await put('home/a', 2000), 'OK', 'a smaller file gives back what it leaves');
    assert.equal(await put('home/c', 4000), 'OK');
    assert.equal(await put('home/c', 4001), 'QUOTA_EXCEEDED');
    assert.equal(await remove('home/b'), 'OK');
    assert.equal(await put('home/c', 8000), 'OK');
  });

  test(`a quota of files counts files, not writes (${store})`, async (t) => {
    const { put, remove } = await served(t, store, [{ on: 'home', files: 2 }]);
    assert.equal(await put('home/a', 10), 'OK');
    assert.equal(await put('home/a', 20), 'OK');
    assert.equal(await put('home/b', 10), 'OK');
    assert.equal(await put('home/c', 10), 'QUOTA_EXCEEDED');
    assert.equal(await remove('home/a'), 'OK');
    assert.equal(await put('home/c', 10), 'OK');
  });
}

test('what was there when the server started counts', async (t) => {
  const tokens = new Tokens();
  const quotas = [{ on: 'home', bytes: 10_000 }];
  const file = accessFile(t, { tokens: tokens.section(['ci']), rules: [EVERYTHING], quotas });
  const root = scratchRoot(t);
  mkdirSync(`${root}/home`);
  const first = await startServer(t, {}, { root });
  first.write('home/old', noise(1, 9000));
  await first.server.stop(0);
  const server = await startServer(t, { writable: true, access: file.path }, { root });
  const client = server.client({}, tokens.of('ci'));
  const start = await client.unary('StartUpload', { fileName: 'home/new', expected: { size: 2000 } });
  assert.equal(start.code, 'QUOTA_EXCEEDED');
  assert.match(start.details, /"home" may hold 10000 bytes; delete some/);
});

test('uploads under way count with what they declared, until they are over', async (t) => {
  const { client } = await served(t, 'local', [{ on: 'home', bytes: 10_000 }]);
  const start = async (fileName: string) =>
    await client.unary('StartUpload', { fileName, expected: { size: 6000 } });
  const { answer } = await start('home/a');
  assert.equal((await start('home/b')).code, 'QUOTA_EXCEEDED');
  await client.unary('AbortUpload', { uploadId: answer?.uploadId });
  assert.equal((await start('home/b')).code, '');
});

test('files of one pack that do not fit are refused, and the others are written', async (t) => {
  const { put, server, token } = await served(t, 'local', [
    { on: 'home', files: 3 },
    { on: 'home/small', bytes: 100 },
  ]);
  assert.equal(await put('home/a', 10), 'OK');
  const exchange = new RawExchange(server.address, token);
  t.after(() => exchange.close());
  const sizes = { 'home/b': 10, 'home/small/c': 101, 'home/small/d': 100, 'home/e': 10 };
  const id = exchange.ask({
    write: {
      files: Object.entries(sizes).map(([fileName, size]) => ({ fileName, size })),
      content: Buffer.alloc(221),
    },
  });
  assert.equal(await exchange.endOf(id), 'OK');
  const results = exchange.of(id).find(({ written }) => written)?.written?.results ?? [];
  assert.deepEqual(
    results.map(({ failure }) => failure?.sluiceCode ?? 'OK'),
    ['OK', 'QUOTA_EXCEEDED', 'OK', 'QUOTA_EXCEEDED'],
  );
  assert.equal(server.read('home/b')?.length, 10);
  assert.equal(server.read('home/e'), undefined);
});
