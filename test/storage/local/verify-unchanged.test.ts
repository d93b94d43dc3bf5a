import assert from 'node:assert/strict';
import { appendFile, mkdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { failureOf, openDescriptorCount, scratchStore } from '../../support/stores/scratch-store.ts';

async function openedFile(t: TestContext) {
  const scratch = await scratchStore(t, { 'dir/file': 'content' });
  const file = await scratch.store.open('dir/file');
  t.after(() => file.close());
  return { ...scratch, file };
}

describe('verifyUnchanged', () => {
  it('passes while nothing happens', async (t) => {
    const { file, store } = await openedFile(t);
    await file.verifyUnchanged();
    await store.stat('dir/file');
    await file.verifyUnchanged();
  });

  it('passes when the neighbours of the file change', async (t) => {
    const { file, at } = await openedFile(t);
    await writeFile(at('dir/other'), 'x');
    await file.verifyUnchanged();
  });

  it('sees a write of the same size right after the open of a file just written', async (t) => {
    const { store, at } = await scratchStore(t, {});
    for (let round = 0; round < 20; round++) {
      await writeFile(at('fresh'), 'content');
      const file = await store.open('fresh');
      await writeFile(at('fresh'), 'CONTENT', { flag: 'r+' });
      assert.match((await failureOf(file.verifyUnchanged())).message, /was modified/);
      await file.close();
    }
  });

  const changes: [string, RegExp, (at: (name: string) => string) => Promise<void>][] = [
    ['grew', /"dir\/file" grew during the transfer/, (at) => appendFile(at('dir/file'), 'more')],
    ['shrank', /shrank/, (at) => truncate(at('dir/file'), 3)],
    [
      'was modified in place',
      /was modified/,
      async (at) => {
        await writeFile(at('dir/file'), 'CONTENT', { flag: 'r+' });
        await utimes(at('dir/file'), 1, 1);
      },
    ],
    [
      'was replaced by a file of the same content',
      /was replaced/,
      async (at) => {
        await writeFile(at('dir/new'), 'content');
        await rename(at('dir/new'), at('dir/file'));
      },
    ],
    [
      'was replaced with its directory',
      /was replaced/,
      async (at) => {
        await rename(at('dir'), at('old'));
        await mkdir(at('dir'));
        await writeFile(at('dir/file'), 'content');
      },
    ],
  ];
  for (const [title, expected, change] of changes) {
    it(`tells that the file ${title}, and the new version`, async (t) => {
      const { file, store, at } = await openedFile(t);
      await change(at);
      const error = await failureOf(file.verifyUnchanged());
      assert.equal(error.code, 'FILE_CHANGED');
      assert.match(error.message, expected);
      assert.equal(error.version, (await store.stat('dir/file')).version);
      assert.notEqual(error.version, file.identity.version);
    });
  }

  const losses: [string, RegExp, (at: (name: string) => string) => Promise<void>][] = [
    ['the file was removed', /was removed during the transfer; list/, (at) => rm(at('dir/file'))],
    ['the file was renamed', /was removed/, (at) => rename(at('dir/file'), at('elsewhere'))],
    ['its directory was removed', /was removed/, (at) => rm(at('dir'), { recursive: true })],
    [
      'the file was replaced by a directory',
      /was replaced/,
      async (at) => {
        await rm(at('dir/file'));
        await mkdir(at('dir/file'));
      },
    ],
    [
      'the file was replaced by a symbolic link to itself',
      /was replaced/,
      async (at) => {
        await rename(at('dir/file'), at('dir/real'));
        await symlink('real', at('dir/file'));
      },
    ],
    [
      'its directory was replaced by a symbolic link to itself',
      /was replaced/,
      async (at) => {
        await rename(at('dir'), at('real'));
        await symlink('real', at('dir'));
      },
    ],
  ];
  for (const [title, expected, change] of losses) {
    it(`tells that ${title}, without a version`, async (t) => {
      const { file, at } = await openedFile(t);
      await change(at);
      const error = await failureOf(file.verifyUnchanged());
      assert.equal(error.code, 'FILE_CHANGED');
      assert.match(error.message, expected);
      assert.equal(error.version, undefined);
    });
  }

  it('leaves no descriptor open', async (t) => {
    const { file, at } = await openedFile(t);
    await file.verifyUnchanged();
    const before = openDescriptorCount();
    for (let round = 0; round < 20; round += 1) await file.verifyUnchanged();
    await rm(at('dir/file'));
    for (let round = 0; round < 20; round += 1) await failureOf(file.verifyUnchanged());
    assert.equal(openDescriptorCount(), before);
  });

  it('is UNAVAILABLE after the file is closed', async (t) => {
    const { file } = await openedFile(t);
    await file.close();
    assert.equal((await failureOf(file.verifyUnchanged())).code, 'UNAVAILABLE');
  });
});
