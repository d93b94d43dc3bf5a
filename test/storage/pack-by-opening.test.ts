import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { openPack } from '../../src/storage/pack-by-opening.ts';
import type { OpenFile, PackedFile, Store } from '../../src/storage/store.ts';
import { packBytes, packedFiles, settled } from '../support/stores/packs.ts';
import { openDescriptorCount, scratchStore } from '../support/stores/scratch-store.ts';

const CONTENTS = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i % 3}/${i}`, 'x'.repeat(i)]));
const BYTES = packBytes(Object.values(CONTENTS));

/** A store that has nothing for packs, whose files have descriptors; it counts those that are open. */
async function storeOfFiles(
  t: TestContext,
  onOpen: (name: string) => void = () => {},
  onVerify: (path: string) => void = () => {},
) {
  const { at, store } = await scratchStore(t, CONTENTS);
  await settled(...Object.keys(CONTENTS).map(at));
  const counts = { now: 0, most: 0 };
  async function open(name: string): Promise<OpenFile> {
    onOpen(name);
    const file = await store.open(name);
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    const { identity, source } = file;
    const close = async () => {
      counts.now -= 1;
      await file.close();
    };
    const verifyUnchanged = () => {
      onVerify(at(name));
      return file.verifyUnchanged();
    };
    return { identity, source, verifyUnchanged, close };
  }
  const plain: Store = {
    open,
    stat: (name) => store.stat(name),
    list: (prefix, options) => store.list(prefix, options),
    close: () => store.close(),
  };
  return { at, counts, files: await packedFiles(store, Object.keys(CONTENTS)), store: plain };
}

async function read(
  store: Store,
  files: readonly PackedFile[],
  signal: AbortSignal = new AbortController().signal,
): Promise<Buffer> {
  const { size, source } = await openPack(store, files);
  assert.equal(source.kind, 'reader');
  const target = new Uint8Array(new SharedArrayBuffer(size + 10));
  assert.equal(await source.read(target, 0, signal), size);
  return Buffer.from(target.subarray(0, size));
}

describe('a pack of a store that has nothing for it', () => {
  it('is read from the files that it opens, a few at a time', async (t) => {
    const { counts, files, store } = await storeOfFiles(t);
    const before = openDescriptorCount();
    assert.deepEqual(await read(store, files), BYTES);
    assert.ok(counts.most > 1 && counts.most <= 8, `${counts.most} were open`);
    assert.equal(openDescriptorCount(), before);
  });

  it('refuses what cannot be opened, and what is another version', async (t) => {
    const { files, store } = await storeOfFiles(t);
    const [first, second] = files.slice(8) as [PackedFile, PackedFile];
    const asked = [{ ...first, version: 'another' }, { ...second, fileName: 'none' }, second];
    assert.deepEqual(await read(store, asked), packBytes([8, 9, 'x'.repeat(9)]));
  });

  it('refuses what changes while it is read', async (t) => {
    const { files, store } = await storeOfFiles(
      t,
      () => {},
      (path) => path.endsWith('/8') && writeFileSync(path, 'X', { flag: 'r+' }),
    );
    assert.deepEqual(await read(store, files.slice(8, 10)), packBytes([8, 'x'.repeat(9)]));
  });

  it('fails with what is a defect of the store, once nobody writes to the memory any more', async (t) => {
    const defect = new TypeError('a defect');
    const { counts, files, store } = await storeOfFiles(t, (name) => {
      if (name.endsWith('/7')) throw defect;
    });
    await assert.rejects(read(store, files), defect);
    assert.equal(counts.now, 0);
  });

  it('ends with the signal, and says nothing of the files then', async (t) => {
    const controller = new AbortController();
    let opens = 0;
    const { counts, files, store } = await storeOfFiles(t, () => {
      opens += 1;
      if (opens === 5) controller.abort();
    });
    await assert.rejects(read(store, files, controller.signal), { name: 'AbortError' });
    assert.equal(counts.now, 0);
    assert.ok(opens <= 8);
  });
});
