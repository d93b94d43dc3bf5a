import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { openSync, symlinkSync } from 'node:fs';
import { describe, it } from 'node:test';
import { openLocalStore } from '../../../src/storage/local/local-store.ts';
import {
  contentOf,
  descriptorOf,
  entriesIn,
  failureOf,
  namesOf,
  openDescriptorCount,
  scratchDirectory,
  scratchStore,
} from '../../support/stores/scratch-store.ts';

const STORE_URL = new URL('../../../src/storage/local/local-store.js', import.meta.url).href;

describe('descriptors', () => {
  it('are one for each open file and none for a stat', async (t) => {
    const { store } = await scratchStore(t, { 'a/b/c/file': '' });
    await store.stat('a/b/c/file');
    const before = openDescriptorCount();
    const files = await Promise.all(Array.from({ length: 10 }, () => store.open('a/b/c/file')));
    assert.equal(openDescriptorCount(), before + 10);
    await Promise.all(Array.from({ length: 10 }, () => store.stat('a/b/c/file')));
    assert.equal(openDescriptorCount(), before + 10);
    await Promise.all(files.map((file) => file.close()));
    assert.equal(openDescriptorCount(), before);
  });

  it('are closed after every error', async (t) => {
    const { store, at } = await scratchStore(t, { 'a/b/file': '' });
    symlinkSync('b', at('a/link'));
    symlinkSync('file', at('a/b/link'));
    execFileSync('mkfifo', [at('a/b/fifo')]);
    await failureOf(store.open('missing'));
    const before = openDescriptorCount();
    const names = [
      'a/b',
      'a/b/c',
      'a/b/fil',
      'a/c/file',
      'a/link/file',
      'a/b/link',
      'a/b/fifo',
      'a/b/file/x',
      '../x',
    ];
    for (const name of names) {
      await failureOf(store.open(name));
      await failureOf(store.stat(name));
    }
    assert.equal(openDescriptorCount(), before);
  });

  it('of a root that cannot be served are closed', async () => {
    await failureOf(openLocalStore('/proc'));
    const before = openDescriptorCount();
    for (const path of ['/proc', '/sys', '/missing', '/dev/null']) await failureOf(openLocalStore(path));
    assert.equal(openDescriptorCount(), before);
  });

  it('of the store are closed with it, once the calls under way have ended', async (t) => {
    const path = await scratchDirectory(t);
    await (await openLocalStore(path)).close();
    const before = openDescriptorCount();
    const store = await openLocalStore(path);
    const calls = Array.from({ length: 20 }, (_, index) => failureOf(store.stat(`a/${index}`)));
    await store.close();
    for (const error of await Promise.all(calls)) assert.equal(error.code, 'NOT_FOUND');
    assert.equal(openDescriptorCount(), before);
  });

  it('closed twice do not close another file that got the same number', async (t) => {
    const { store } = await scratchStore(t, { one: 'one', two: 'two' });
    const one = await store.open('one');
    await one.close();
    const two = await store.open('two');
    t.after(() => two.close());
    assert.equal(descriptorOf(two), descriptorOf(one));
    await one.close();
    assert.equal(await contentOf(two), 'two');
  });

  it('closed during a verification do not disturb it', async (t) => {
    const { store } = await scratchStore(t, { file: '' });
    for (let round = 0; round < 50; round += 1) {
      const file = await store.open('file');
      const verification = file.verifyUnchanged();
      await Promise.all([verification, file.close(), file.close()]);
    }
  });

  it('that run out are RESOURCE_EXHAUSTED, and the store works again when there are some', async (t) => {
    const path = await scratchDirectory(t);
    openSync(`${path}/file`, 'w');
    const script = `
      import { openSync, closeSync } from 'node:fs';
      import { openLocalStore } from ${JSON.stringify(STORE_URL)};
      const store = await openLocalStore(${JSON.stringify(path)});
      const taken = [];
      try { for (;;) taken.push(openSync('/dev/null')); } catch {}
      const list = async () => { for await (const entry of store.list('', { recursive: true })) entry; };
      const codes = [];
      for (const work of [() => store.open('file'), () => store.stat('missing/file'), list]) {
        await work().then(() => codes.push('fine'), (error) => codes.push(error.code));
      }
      for (const fd of taken) closeSync(fd);
      const file = await store.open('file');
      codes.push(file.identity.name);
      console.log(codes.join(' '));`;
    const child = spawnSync(
      'sh',
      ['-c', 'ulimit -n 200; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { encoding: 'utf8' },
    );
    assert.equal(
      child.stdout.trim(),
      'RESOURCE_EXHAUSTED RESOURCE_EXHAUSTED RESOURCE_EXHAUSTED file',
      child.stderr,
    );
  });

  it('of a recursive listing are bounded by its depth', async (t) => {
    const files = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`d${index}/e/f`, '']));
    const { store } = await scratchStore(t, files);
    await namesOf(store.list('', { recursive: true }));
    const before = openDescriptorCount();
    let most = 0;
    for await (const _entry of entriesIn(store.list('', { recursive: true })))
      most = Math.max(most, openDescriptorCount());
    assert.equal(most - before, 3);
  });
});
