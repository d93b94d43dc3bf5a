/** A bucket at the seam to storage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reader } from '../../src/storage/byte-source.ts';
import { all, checkListings, randomNames } from '../storage/s3/listing-suite.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { noise } from '../support/content.ts';
import { Random, seedOf } from '../support/seed.ts';
import { entriesIn, namesOf } from '../support/stores/scratch-store.ts';

function never(): AbortSignal {
  return new AbortController().signal;
}

function memory(bytes: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(bytes));
}

test('a file is what the object is: stat, ranges, and one version in both', async (t) => {
  const scene = await BucketScene.make(t);
  const size = 3_000_000;
  const bytes = noise(1, size).bytes(0, size);
  await scene.put('base/dir/ü b+c%.bin', bytes);
  const { store } = await scene.store('base');
  const identity = await store.stat('dir/ü b+c%.bin');
  assert.equal(identity.size, size);
  assert.equal(identity.version, await scene.etag('base/dir/ü b+c%.bin'));
  const file = await store.open('dir/ü b+c%.bin');
  assert.deepEqual(file.identity, identity);
  const source = file.source as Reader;
  const target = memory(size + 1);
  const pieces = Array.from({ length: 12 }, (_, index) => index * 250_000);
  await Promise.all(pieces.map((at) => source.read(target.subarray(at, at + 250_000), at, never())));
  assert.ok(bytes.equals(target.subarray(0, size)));
  assert.equal(await source.read(target.subarray(0, 1000), size - 7, never()), 7);
});

test('what is not there is NOT_FOUND, and a directory is no file', async (t) => {
  const scene = await BucketScene.make(t);
  await scene.put('dir/a', 'x');
  await scene.put('empty/', '');
  const { store } = await scene.store();
  await assert.rejects(store.stat('b'), { code: 'NOT_FOUND' });
  await assert.rejects(store.open('dir/b'), { code: 'NOT_FOUND' });
  await assert.rejects(store.open('dir'), { code: 'NOT_A_FILE' });
  await assert.rejects(store.open('empty'), { code: 'NOT_A_FILE' });
  await assert.rejects(store.open('../a'), { code: 'INVALID_NAME' });
  await assert.rejects(store.open('a'.repeat(200).concat('/b'.repeat(60), 'c'.repeat(200))), {
    code: 'NOT_FOUND',
  });
  await assert.rejects(store.open(Array(6).fill('d'.repeat(200)).join('/')), { code: 'INVALID_NAME' });
  await assert.rejects(all(store.list('none', { recursive: false })), { code: 'NOT_FOUND' });
  await assert.rejects(all(store.list('dir/a', { recursive: false })), { code: 'NOT_A_FILE' });
  assert.deepEqual(await namesOf(store.list('empty', { recursive: true })), []);
  assert.deepEqual(await namesOf(store.list('', { recursive: true })), ['dir/', 'dir/a', 'empty/']);
});

test('a file that is replaced ends its reads with FILE_CHANGED and the new version', async (t) => {
  const scene = await BucketScene.make(t);
  await scene.put('a', 'the first content');
  const { store } = await scene.store();
  const source = (await store.open('a')).source as Reader;
  await scene.put('a', 'another content');
  const version = await scene.etag('a');
  await assert.rejects(source.read(memory(10), 0, never()), { code: 'FILE_CHANGED', version });
});

test('listings have the order of the seam, and resume behind each entry', async (t) => {
  const random = new Random(seedOf(t));
  for (let round = 0; round < 4; round++) {
    const scene = await BucketScene.make(t);
    const names = randomNames(random, 15);
    await scene.putAll(names, (name) => Buffer.from(name));
    await checkListings((await scene.store()).store, names);
  }
});

test('a directory of several pages is listed whole, sorted, with what stat says', async (t) => {
  const scene = await BucketScene.make(t);
  const names = Array.from({ length: 2300 }, (_, index) => `f-${String(index).padStart(4, '0')}`);
  await scene.putAll([...names, 'f/x', 'f-1500/y'], () => Buffer.from('content'));
  const { store } = await scene.store();
  const expected = [
    'f/',
    'f/x',
    ...names.flatMap((name) => (name === 'f-1500' ? ['f-1500/', 'f-1500/y'] : [name])),
  ];
  assert.deepEqual(await namesOf(store.list('', { recursive: true })), expected);
  for await (const { isDirectory, ...entry } of entriesIn(store.list('f', { recursive: true }))) {
    assert.deepEqual({ ...(await store.stat(entry.name)), isDirectory: false }, { ...entry, isDirectory });
  }
});

test('keys that no peer can ask for are left out, and said to be', async (t) => {
  const scene = await BucketScene.make(t);
  for (const key of ['base/c//d', 'base/new\nline', 'base/back\\slash', 'base/a', 'base/a/b', 'elsewhere'])
    await scene.put(key, '');
  const { store } = await scene.store('base');
  const omitted: Parameters<typeof namesOf>[1] = [];
  assert.deepEqual(await namesOf(store.list('', { recursive: true }), omitted), ['a/', 'a/b', 'c/']);
  assert.deepEqual(
    omitted.map(({ shownName }) => shownName),
    ['a', 'back\\slash', 'c/', 'new\\u{a}line'],
  );
});
