/** The way without /proc, on every system: what holds here holds on macOS. */
import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  contentOf,
  failureOf,
  namesOf,
  scratchStore,
  storeByPath,
  writeDeep,
} from '../../support/stores/scratch-store.ts';

async function pathStore(t: TestContext, files: Record<string, string>) {
  const { at, outside } = await scratchStore(t, files);
  const store = await storeByPath(dirname(at('x')));
  t.after(() => store.close());
  return { store, at, outside };
}

describe('a store whose directories are known by path', () => {
  it('opens, lists and verifies files', async (t) => {
    const { store } = await pathStore(t, { 'a/b/file': 'inside' });
    const file = await store.open('a/b/file');
    t.after(() => file.close());
    assert.equal(await contentOf(file), 'inside');
    await file.verifyUnchanged();
    assert.deepEqual(await namesOf(store.list('', { recursive: true })), ['a/', 'a/b/', 'a/b/file']);
    assert.deepEqual(await namesOf(store.list('a/b', { recursive: true })), ['a/b/file']);
  });

  it('refuses a symbolic link in each position', async (t) => {
    const { store, at, outside } = await pathStore(t, { 'a/b/file': 'inside' });
    await writeDeep(outside('b/file'), 'outside');
    await symlink(outside('.'), at('one'));
    await symlink(outside('b'), at('a/two'));
    await symlink(outside('b/file'), at('a/b/three'));
    for (const name of ['one/b/file', 'a/two/file', 'a/b/three']) {
      assert.equal((await failureOf(store.open(name))).code, 'NOT_A_FILE', name);
      assert.equal((await failureOf(store.stat(name))).code, 'NOT_A_FILE', name);
    }
    assert.equal((await failureOf(namesOf(store.list('one', { recursive: true })))).code, 'NOT_A_FILE');
  });

  it('tells what is missing and what is no directory', async (t) => {
    const { store } = await pathStore(t, { 'a/b/file': 'inside' });
    assert.match((await failureOf(store.open('a/b/files'))).message, /did you mean "a\/b\/file"/);
    assert.match((await failureOf(store.open('a/b/file/x'))).message, /"a\/b\/file" is not a directory/);
    assert.equal((await failureOf(store.stat('nowhere/at/all'))).code, 'NOT_FOUND');
  });
});
