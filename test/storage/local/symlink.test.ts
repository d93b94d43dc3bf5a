/** Whatever links there are and whenever they appear, the content of a transfer comes from below the root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { link, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { describe, it } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { Child } from '../../../src/cli/process/child.ts';
import type { Store } from '../../../src/storage/store.ts';
import {
  contentOf,
  failureOf,
  namesOf,
  scratchStore,
  writeDeep,
} from '../../support/stores/scratch-store.ts';

describe('a symbolic link out of the root', () => {
  // The link, what it points to outside, and a name that goes through it.
  const positions: [string, string, string, string][] = [
    ['the first component', 'link', '', 'link/b/c/file'],
    ['a middle component', 'a/link', 'b', 'a/link/c/file'],
    ['the last directory', 'a/b/link', 'b/c', 'a/b/link/file'],
    ['the file', 'a/b/c/link', 'b/c/file', 'a/b/c/link'],
  ];
  for (const [position, linkName, target, name] of positions) {
    for (const style of ['absolute', 'relative']) {
      it(`is refused as ${position} (${style})`, async (t) => {
        const { store, at, outside } = await scratchStore(t, { 'a/b/c/file': 'inside' });
        await writeDeep(outside('b/c/file'), 'outside');
        const path = outside(target);
        await symlink(style === 'absolute' ? path : relative(dirname(at(linkName)), path), at(linkName));
        assert.equal(await readFile(at(name), 'utf8'), 'outside');
        for (const error of [await failureOf(store.open(name)), await failureOf(store.stat(name))]) {
          assert.equal(error.code, 'NOT_A_FILE');
          assert.ok(error.message.startsWith(`"${linkName}" is a symbolic link`), error.message);
        }
      });
    }
  }

  it('is refused as the prefix of a listing and in it, and not shown by one', async (t) => {
    const { store, at, outside } = await scratchStore(t, { 'a/file': '' });
    await writeDeep(outside('b/file'), 'outside');
    await symlink(outside('.'), at('a/link'));
    await symlink(outside('b/file'), at('a/file-link'));
    assert.equal((await failureOf(namesOf(store.list('a/link', { recursive: true })))).code, 'NOT_A_FILE');
    assert.equal((await failureOf(namesOf(store.list('a/link/b', { recursive: true })))).code, 'NOT_A_FILE');
    assert.deepEqual(await namesOf(store.list('', { recursive: true })), ['a/', 'a/file']);
  });
});

it('a loop of symbolic links is refused', async (t) => {
  const { store, at } = await scratchStore(t);
  await symlink('loop', at('loop'));
  assert.equal((await failureOf(store.open('loop'))).code, 'NOT_A_FILE');
  assert.equal((await failureOf(store.open('loop/loop'))).code, 'NOT_A_FILE');
});

describe('a race that swaps a part of a name for a link out of the root', () => {
  /** Enough of each outcome to have hit the window between two looks. */
  const ENOUGH = 60;
  const MAX_ATTEMPTS = 100_000;

  /** Runs `work` while another process swaps `path` and `link` for each other, over and over. */
  async function whileSwapping(path: string, link: string, work: () => Promise<void>): Promise<void> {
    const script = `
      const { renameSync } = require('node:fs');
      const [path, link] = process.argv.slice(1);
      console.log('swapping');
      for (;;) {
        renameSync(path, path + '.aside'); renameSync(link, path);
        renameSync(path, link); renameSync(path + '.aside', path);
      }`;
    const swapper = new Child('swapper', process.execPath, ['-e', script, path, link]);
    try {
      await swapper.says(/swapping/);
      await work();
    } finally {
      await swapper.end();
    }
  }

  async function readOnce(store: Store, name: string): Promise<string> {
    try {
      const file = await store.open(name);
      try {
        return await contentOf(file);
      } finally {
        await file.close();
      }
    } catch (reason) {
      if (reason instanceof TransferError) return reason.code;
      throw reason;
    }
  }

  async function assertNothingFromOutside(store: Store, name: string): Promise<void> {
    const seen = new Map<string, number>();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const outcome = await readOnce(store, name);
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      assert.ok(['inside', 'NOT_FOUND', 'NOT_A_FILE'].includes(outcome), outcome);
      if ((seen.get('inside') ?? 0) >= ENOUGH && (seen.get('NOT_A_FILE') ?? 0) >= ENOUGH) return;
    }
  }

  it('never leads out at a directory', async (t) => {
    const { store, at, outside } = await scratchStore(t, { 'a/b/file': 'inside' });
    await writeDeep(outside('b/file'), 'outside');
    await symlink(outside('.'), at('link'));
    await whileSwapping(at('a'), at('link'), () => assertNothingFromOutside(store, 'a/b/file'));
  });

  it('never leads out at the file', async (t) => {
    const { store, at, outside } = await scratchStore(t, { 'a/file': 'inside' });
    await writeDeep(outside('file'), 'outside');
    await symlink(outside('file'), at('a/link'));
    await whileSwapping(at('a/file'), at('a/link'), () => assertNothingFromOutside(store, 'a/file'));
  });

  it('never waits at a FIFO that was swapped in', async (t) => {
    const { store, at } = await scratchStore(t, { 'a/file': 'inside' });
    execFileSync('mkfifo', [at('a/fifo')]);
    await whileSwapping(at('a/file'), at('a/fifo'), () => assertNothingFromOutside(store, 'a/file'));
  });

  it('never shows a listing what is outside', async (t) => {
    const { store, at, outside } = await scratchStore(t, { 'a/b/inside': '' });
    await writeDeep(outside('b/outside'), '');
    await symlink(outside('.'), at('link'));
    await whileSwapping(at('a'), at('link'), async () => {
      for (let attempt = 0; attempt < 300; attempt += 1) {
        const names = await namesOf(store.list('', { recursive: true }));
        assert.ok(!names.some((name) => name.endsWith('outside')), names.join(' '));
      }
    });
  });
});

it('a hard link is a file of the store', async (t) => {
  const { store, at, outside } = await scratchStore(t);
  await mkdir(dirname(outside('x')), { recursive: true });
  await writeDeep(outside('file'), 'linked');
  await link(outside('file'), at('hard'));
  assert.equal((await store.stat('hard')).size, 6);
});
