/** Uploads of every kind of source, against an honest peer. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { SMALL_UPLOAD_BYTES } from '../../../src/client/limits.ts';
import type { UploadSource } from '../../../src/client/upload/options.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { CHUNK_BYTES, clientOf, failureOf } from '../fixtures.ts';
import { LARGE, piecesOf, type Scene, scene } from './scene.ts';

for (const size of [0, 1, CHUNK_BYTES, SMALL_UPLOAD_BYTES, SMALL_UPLOAD_BYTES + 1, LARGE]) {
  const content = randomBytes(size);
  const kinds: [string, (scene: Scene) => UploadSource][] = [
    ['a path', ({ pathOf }) => pathOf(content)],
    ['bytes', () => content],
    ['a Readable', () => Readable.from(piecesOf(content, 10_000))],
    [
      'a web stream',
      () => Readable.toWeb(Readable.from(piecesOf(content, 70_000))) as ReadableStream<Uint8Array>,
    ],
    [
      'an async iterable',
      () => Readable.from(piecesOf(content, 777)).iterator() as AsyncIterable<Uint8Array>,
    ],
  ];
  for (const [kind, make] of kinds) {
    test(`uploads ${kind} of ${size} bytes`, async (t) => {
      const at = await scene(t);
      const result = await at.client.upload(make(at), 'dir/a.bin');
      assert.ok(at.peer.files.get('dir/a.bin')?.content.equals(content));
      const { bytes, crc32: crc, resumedBytes, restarts, verified, version } = result;
      assert.deepEqual(
        { bytes, crc, resumedBytes, restarts, verified, version },
        { bytes: size, crc: crc32(content), resumedBytes: 0, restarts: 0, verified: true, version: 'v1' },
      );
      assert.ok(at.peer.chunks.every(({ hasCrc }) => hasCrc));
    });
  }
}

for (const overwrite of [false, true]) {
  test(`a small file takes one call, overwrite ${overwrite}`, async (t) => {
    const { client, pathOf, peer } = await scene(t);
    await client.upload(pathOf(randomBytes(1000)), 'a', { overwrite });
    assert.deepEqual(peer.calls, ['UploadFile']);
  });
}

test('a file takes one call where the server has said before what it takes', async (t) => {
  const { client, pathOf, peer, records } = await scene(t);
  const content = randomBytes(LARGE);
  const calls = async (name: string, from: UploadSource) => {
    peer.calls.length = 0;
    await client.upload(from, name);
    assert.ok(peer.files.get(name)?.content.equals(content));
    return [...peer.calls];
  };
  assert.deepEqual(await calls('a', pathOf(content)), ['StartUpload', 'UploadFile']);
  assert.deepEqual(await calls('b', pathOf(content)), ['UploadFile']);
  assert.deepEqual(await calls('c', Readable.from(piecesOf(content, 10_000))), ['UploadFile']);
  assert.deepEqual(records(), []);
});

test('a server that chooses the ids of uploads itself is asked for one each time', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  peer.choosesIds = true;
  for (const name of ['a', 'b']) await client.upload(pathOf(randomBytes(LARGE)), name);
  assert.deepEqual(peer.calls, ['StartUpload', 'UploadFile', 'StartUpload', 'UploadFile']);
});

test('a large file takes parts over several connections', async (t) => {
  const { client, pathOf, peer } = await scene(t);
  const content = randomBytes(70 * 1024 * 1024);
  await client.upload(pathOf(content), 'a', { connections: 2 });
  assert.ok(peer.files.get('a')?.content.equals(content));
  assert.equal(new Set(peer.chunks.map(({ peer: from }) => from)).size, 2);
});

test('a file of the name is replaced, as by a download, unless the options say otherwise', async (t) => {
  const { client, peer } = await scene(t);
  peer.files.set('a', { content: Buffer.from('old'), version: 'old' });
  const kept = await failureOf(client.upload(Buffer.from('new'), 'a', { overwrite: false }));
  assert.equal(kept.code, 'ALREADY_EXISTS');
  const stale = await failureOf(client.upload(Buffer.from('new'), 'a', { ifMatch: 'older' }));
  assert.deepEqual([stale.code, stale.version], ['VERSION_MISMATCH', 'old']);
  await client.upload(Buffer.from('new'), 'a', { ifMatch: 'old' });
  assert.equal(peer.files.get('a')?.content.toString(), 'new');
  await client.upload(Buffer.from('newer'), 'a');
  assert.equal(peer.files.get('a')?.content.toString(), 'newer');
});

test('text is compressed, noise and types known to be compressed are not', async (t) => {
  const { client, peer } = await scene(t);
  const text = Buffer.alloc(LARGE, 'the same words again and again. ');
  await client.upload(text, 'a.txt');
  assert.equal(peer.chunks[0]?.codec, 'gzip');
  assert.ok(peer.files.get('a.txt')?.content.equals(text));
  peer.chunks.length = 0;
  await client.upload(randomBytes(LARGE), 'a.dat');
  await client.upload(text, 'a.zip');
  await client.upload(text, 'b.txt', { compression: 'never' });
  assert.ok(peer.chunks.every(({ codec }) => codec === 'identity'));
  await client.upload(text, 'b.zip', { compression: 'always' });
  assert.ok(peer.chunks.some(({ codec }) => codec === 'gzip'));
});

test('a server that takes no codec gets none', async (t) => {
  const { client, peer } = await scene(t);
  peer.acceptedCodecs = [];
  await client.upload(Buffer.alloc(LARGE, 'words '), 'a.txt', { compression: 'always' });
  assert.ok(peer.chunks.every(({ codec }) => codec === 'identity'));
});

test('chunks are never larger than the server takes', async (t) => {
  const { peer } = await scene(t);
  peer.maxChunkBytes = 20_000;
  await clientOf(t, peer.address, { chunkBytes: 1024 * 1024 }).upload(randomBytes(LARGE), 'a');
  assert.ok(peer.chunks.every(({ bytes }) => bytes <= 20_000));
});

test('checksums that the caller knows are checked', async (t) => {
  const { client, peer } = await scene(t);
  const content = randomBytes(LARGE);
  const sha256 = createHash('sha256').update(content).digest();
  await client.upload(content, 'a', { sha256, crc32: crc32(content), size: LARGE });
  for (const wrong of [{ sha256: randomBytes(32) }, { crc32: 1 }]) {
    assert.equal((await failureOf(client.upload(content, 'b', wrong))).code, 'CONTENT_MISMATCH');
  }
  const stream = Readable.from(piecesOf(content, 5000));
  const failure = await failureOf(client.upload(stream, 'b', { size: LARGE + 1 }));
  assert.equal(failure.code, 'CONTENT_MISMATCH');
  assert.equal(peer.files.has('b'), false);
  // Only the finished one is left.
  assert.equal(peer.uploads.size, 1);
});

test('without verify no checksum is sent', async (t) => {
  const { peer } = await scene(t);
  const result = await clientOf(t, peer.address, { verify: false }).upload(randomBytes(LARGE), 'a');
  assert.ok(peer.chunks.every(({ hasCrc }) => !hasCrc));
  assert.deepEqual([result.verified, result.crc32], [false, undefined]);
});

for (const [what, options] of [
  ['connections', { connections: 0 }],
  ['size', { size: -1 }],
  ['sha256', { sha256: Buffer.alloc(31) }],
  ['crc32', { crc32: 2 ** 32 }],
  ['replayBytes', { replayBytes: 1 }],
] as const) {
  test(`refuses a bad ${what}, naming it`, async (t) => {
    const { client, peer } = await scene(t);
    const failure = await failureOf(client.upload(Buffer.alloc(1), 'a', options));
    assert.equal(failure.code, 'INVALID_ARGUMENT');
    assert.ok(failure.message.includes(what), failure.message);
    assert.deepEqual(peer.calls, []);
  });
}

test('refuses what is no source', async (t) => {
  const { client } = await scene(t);
  for (const source of [5, null, { a: 1 }]) {
    const failure = await failureOf(client.upload(source as unknown as UploadSource, 'a'));
    assert.equal(failure.code, 'INVALID_ARGUMENT');
  }
  const strings = Readable.from(['text']);
  assert.equal((await failureOf(client.upload(strings, 'a'))).code, 'INVALID_ARGUMENT');
});

test('a path that cannot be read is LOCAL_IO', async (t) => {
  const { client, pathOf } = await scene(t);
  const path = pathOf(Buffer.alloc(1));
  for (const bad of [`${path}-absent`, join(path, '..')]) {
    assert.equal((await failureOf(client.upload(bad, 'a'))).code, 'LOCAL_IO');
  }
});

test('deletes a file, of one version only if asked', async (t) => {
  const { client, peer } = await scene(t);
  peer.files.set('a', { content: Buffer.from('a'), version: 'v1' });
  assert.equal((await failureOf(client.delete('a', { ifMatch: 'v2' }))).code, 'VERSION_MISMATCH');
  await client.delete('a', { ifMatch: 'v1' });
  assert.equal((await failureOf(client.delete('a'))).code, 'NOT_FOUND');
});

test('a delete whose answer is lost is no failure', async (t) => {
  const { client, peer } = await scene(t);
  peer.files.set('a', { content: Buffer.from('a'), version: 'v1' });
  await client.delete('a').catch(() => {});
  peer.files.set('a', { content: Buffer.from('a'), version: 'v1' });
  peer.lostAnswers.push('DeleteFile');
  await client.delete('a');
  assert.equal(peer.callsOf('DeleteFile'), 3);
});
