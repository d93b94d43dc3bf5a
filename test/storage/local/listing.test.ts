import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { entryStatsOf } from '../../../src/base/files/entry-stats.ts';
import { MAX_NAME_DEPTH } from '../../../src/base/limits.ts';
import { writePosition } from '../../../src/storage/listing-position.ts';
import { openLocalStore } from '../../../src/storage/local/local-store.ts';
import type { Listed, LookAtEntries, Omission } from '../../../src/storage/store.ts';
import {
  asOrdinaryUser,
  entriesIn,
  failureOf,
  namesOf,
  openDescriptorCount,
  scratchStore,
  writeDeep,
} from '../../support/stores/scratch-store.ts';

const TREE = { 'b/2': '', 'b/1/x': 'abc', 'b/1/y': '', 'a.txt': '', é: '', Z: '' };

describe('a listing', () => {
  it('of the root is sorted and stays on one level', async (t) => {
    const { store } = await scratchStore(t, TREE);
    assert.deepEqual(await namesOf(store.list('', { recursive: false })), ['Z', 'a.txt', 'b/', 'é']);
  });

  it('of a tree has each directory before its content', async (t) => {
    const { store } = await scratchStore(t, TREE);
    assert.deepEqual(await namesOf(store.list('', { recursive: true })), [
      'Z',
      'a.txt',
      'b/',
      'b/1/',
      'b/1/x',
      'b/1/y',
      'b/2',
      'é',
    ]);
  });

  it('of a prefix has whole names', async (t) => {
    const { store } = await scratchStore(t, TREE);
    assert.deepEqual(await namesOf(store.list('b/1', { recursive: false })), ['b/1/x', 'b/1/y']);
    assert.deepEqual(await namesOf(store.list('b', { recursive: true })), ['b/1/', 'b/1/x', 'b/1/y', 'b/2']);
  });

  it('tells size, version, time and mode of files, and time and mode of directories', async (t) => {
    const { at, store } = await scratchStore(t, TREE);
    await chmod(at('b/1'), 0o2750);
    await chmod(at('b/1/x'), 0o4711);
    const entries = [];
    for await (const entry of entriesIn(store.list('b', { recursive: true }))) entries.push(entry);
    const [directory, file] = entries;
    assert.deepEqual(
      { ...directory, modifiedMs: 0 },
      { name: 'b/1', isDirectory: true, size: 0, modifiedMs: 0, version: '', mode: 0o2750 },
    );
    assert.deepEqual(file, { ...(await store.stat('b/1/x')), isDirectory: false });
    assert.equal(file?.mode, 0o4711);
  });

  it('of an empty directory is empty', async (t) => {
    const { store, at } = await scratchStore(t);
    await mkdir(at('empty'));
    assert.deepEqual(await namesOf(store.list('empty', { recursive: true })), []);
    assert.deepEqual(await namesOf(store.list('', { recursive: true })), ['empty/']);
  });

  it('shows nothing that cannot be asked for by name, and says what it leaves out', async (t) => {
    const { store, at } = await scratchStore(t, {
      good: '',
      '.sluice-upload': '',
      '.sluice-dir/x': '',
      'back\\slash': '',
    });
    await writeFile(Buffer.concat([Buffer.from(at('')), Buffer.from([0x2f, 0x66, 0xff])]), '');
    await writeFile(at('new\nline'), '');
    await symlink('good', at('link'));
    execFileSync('mkfifo', [at('fifo')]);
    await mkdir(
      at(
        Array(MAX_NAME_DEPTH + 1)
          .fill('d')
          .join('/'),
      ),
      { recursive: true },
    );
    const omitted: Omission[] = [];
    const names = await namesOf(store.list('', { recursive: true }), omitted);
    assert.deepEqual([names[0], names.at(-1)], ['d/', 'good']);
    const told = omitted.map(({ reason, shownName }) => `${reason} ${shownName}`);
    assert.deepEqual(told, [
      'BAD_NAME back\\slash',
      `TOO_DEEP ${Array(MAX_NAME_DEPTH + 1)
        .fill('d')
        .join('/')}`,
      'SPECIAL_FILE fifo',
      'BAD_NAME f\\xff',
      'SYMBOLIC_LINK link',
      'BAD_NAME new\\u{a}line',
    ]);
  });

  it('leaves out directories of another file system', { skip: process.platform !== 'linux' }, async (t) => {
    const store = await openLocalStore('/');
    t.after(() => store.close());
    const omitted: Omission[] = [];
    const names = await namesOf(store.list('', { recursive: false }), omitted);
    assert.ok(names.includes('etc/'));
    assert.ok(!names.includes('proc/'));
    assert.ok(
      omitted.some(({ reason, shownName }) => reason === 'OTHER_FILE_SYSTEM' && shownName === 'proc'),
    );
  });

  it('has all of 5000 entries, in order', async (t) => {
    const { store, at } = await scratchStore(t);
    const names = Array.from({ length: 5000 }, (_, index) => `file-${index}`);
    for (const name of names) writeFileSync(at(name), '');
    assert.deepEqual(await namesOf(store.list('', { recursive: true })), names.sort());
  });

  it('is the same when threads look, some entries at a time, and when none does any more', async (t) => {
    const { store, at } = await scratchStore(t, TREE);
    await symlink('a.txt', at('b/link'));
    for (let index = 0; index < 100; index += 1) writeFileSync(at(`b/1/${index}`), '');
    const asked: number[] = [];
    // Two at a time; from the tenth job on, none.
    const look: LookAtEntries = async (paths) => {
      asked.push(paths.length);
      const some = asked.length < 10 ? paths.slice(0, 2) : [];
      return some.map((path) => entryStatsOf(lstatSync(path, { bigint: true })));
    };
    const alone = [];
    for await (const listed of store.list('', { recursive: true })) alone.push(listed);
    const withThreads = [];
    for await (const listed of store.list('', { recursive: true, look })) withThreads.push(listed);
    assert.deepEqual(withThreads, alone);
    assert.ok(asked.length > 10);
  });

  it('ends at the deepest good name', async (t) => {
    const { store, at } = await scratchStore(t);
    const deepest = Array(MAX_NAME_DEPTH).fill('d').join('/');
    await writeDeep(at(`${deepest}/too-deep`), '');
    const names = await namesOf(store.list('', { recursive: true }));
    assert.equal(names.length, MAX_NAME_DEPTH);
    assert.equal(names.at(-1), `${deepest}/`);
  });

  it('passes over directories it may not read or search, below the prefix', async (t) => {
    const { store, at } = await scratchStore(t, { 'closed/x': '', 'unsearchable/x': '', open: '' });
    await chmod(dirname(dirname(at('x'))), 0o755);
    await chmod(at('closed'), 0);
    await chmod(at('unsearchable'), 0o444);
    const omitted: Omission[] = [];
    const names = await asOrdinaryUser(() => namesOf(store.list('', { recursive: true }), omitted));
    assert.deepEqual(names, ['closed/', 'open', 'unsearchable/']);
    assert.deepEqual(omitted, [
      { shownName: 'closed', reason: 'UNREADABLE' },
      { shownName: 'unsearchable', reason: 'UNREADABLE' },
    ]);
    for (const prefix of ['closed', 'unsearchable']) {
      const error = await asOrdinaryUser(() => failureOf(namesOf(store.list(prefix, { recursive: true }))));
      assert.equal(error.code, 'PERMISSION_DENIED');
      await chmod(at(prefix), 0o755);
    }
  });

  it('goes on when entries vanish meanwhile', async (t) => {
    const names = Array.from({ length: 40 }, (_, index) => `d${index}/file`);
    const { store, at } = await scratchStore(t, Object.fromEntries(names.map((name) => [name, ''])));
    const seen = [];
    for await (const entry of entriesIn(store.list('', { recursive: true }))) {
      if (seen.length === 0) {
        await Promise.all(names.slice(1).map((name) => rm(dirname(at(name)), { recursive: true })));
      }
      seen.push(entry.name);
    }
    assert.ok(seen.includes('d0/file'));
    assert.ok(!seen.includes('d39/file'));
  });

  it('of a file is NOT_A_FILE with the remedy', async (t) => {
    const { store } = await scratchStore(t, { 'dir/file': '' });
    const error = await failureOf(namesOf(store.list('dir/file', { recursive: false })));
    assert.equal(error.code, 'NOT_A_FILE');
    assert.match(error.message, /"dir\/file" is a file, not a directory; ask for it by its name/);
  });

  it('of a missing directory is NOT_FOUND', async (t) => {
    const { store } = await scratchStore(t, { 'images/file': '' });
    const error = await failureOf(namesOf(store.list('image', { recursive: false })));
    assert.equal(error.code, 'NOT_FOUND');
    assert.match(error.message, /did you mean "images"/);
  });
});

describe('a listing that broke off', () => {
  it('goes on behind whatever it told of last', async (t) => {
    const { store, at } = await scratchStore(t, { ...TREE, 'b/1.x': '', 'c/d/e': '' });
    await mkdir(at('empty'));
    await symlink('Z', at('b/link'));
    await writeFile(Buffer.concat([Buffer.from(at('b/')), Buffer.from([0xff])]), '');
    const whole = await told(store.list('', { recursive: true }));
    assert.equal(whole.length, 15);
    for (const [index, { position }] of whole.entries()) {
      const rest = await told(store.list('', { recursive: true, after: writePosition(position) }));
      assert.deepEqual(rest, whole.slice(index + 1), position);
    }
    const level = await told(store.list('b', { recursive: false }));
    const rest = await told(store.list('b', { recursive: false, after: writePosition('1') }));
    assert.deepEqual(rest, level.slice(1));
  });

  it('goes on where what it told of last is gone', async (t) => {
    const { store } = await scratchStore(t, TREE);
    for (const position of ['b/1/xx', 'b/1/x/y/z', 'b/1/xx/']) {
      const names = await namesOf(store.list('', { recursive: true, after: writePosition(position) }));
      assert.deepEqual(names, ['b/1/y', 'b/2', 'é'], position);
    }
  });

  it('refuses what is no position of it', async (t) => {
    const { store } = await scratchStore(t, TREE);
    for (const position of ['/', 'a//b', '../a', 'b/..', 'b/\0', 'x'.repeat(4000), 'd/'.repeat(80)]) {
      const listing = store.list('', { recursive: true, after: writePosition(position) });
      assert.equal((await failureOf(namesOf(listing))).code, 'INVALID_ARGUMENT', position);
    }
  });
});

async function told(listing: AsyncIterable<Listed>): Promise<Listed[]> {
  const all = [];
  for await (const listed of listing) all.push(listed);
  return all;
}

describe('a listing that does not run to its end', () => {
  it('stops with CANCELLED at its signal', async (t) => {
    const { store } = await scratchStore(t, TREE);
    const controller = new AbortController();
    const seen: string[] = [];
    const listing = (async () => {
      for await (const entry of entriesIn(store.list('', { recursive: true, signal: controller.signal }))) {
        seen.push(entry.name);
        if (entry.name === 'b/1') controller.abort();
      }
    })();
    assert.equal((await failureOf(listing)).code, 'CANCELLED');
    assert.equal(seen.at(-1), 'b/1');
  });

  it('closes its descriptors, also when its reader leaves or it is never read', async (t) => {
    const { store } = await scratchStore(t, TREE);
    await namesOf(store.list('', { recursive: true }));
    const before = openDescriptorCount();
    store.list('b', { recursive: true });
    for await (const entry of entriesIn(store.list('', { recursive: true }))) {
      if (entry.name === 'b/1/x') break;
    }
    const controller = new AbortController();
    await failureOf(
      (async () => {
        for await (const entry of entriesIn(store.list('', { recursive: true, signal: controller.signal }))) {
          if (entry.name === 'b/1/x') controller.abort();
        }
      })(),
    );
    await failureOf(namesOf(store.list('a.txt', { recursive: true })));
    await failureOf(namesOf(store.list('missing', { recursive: true })));
    assert.equal(openDescriptorCount(), before);
  });
});
