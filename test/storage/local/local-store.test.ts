import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { identityVersionOf } from '../../../src/base/files/file-version.ts';
import { openLocalStore } from '../../../src/storage/local/local-store.ts';
import {
  asOrdinaryUser,
  contentOf,
  entriesIn,
  failureOf,
  namesOf,
  scratchStore,
} from '../../support/stores/scratch-store.ts';

describe('an open file', () => {
  it('has the content and the identity of the file', async (t) => {
    const { store, at } = await scratchStore(t, { 'a/b/file.bin': 'twelve bytes' });
    await utimes(at('a/b/file.bin'), 1, 1.5);
    const file = await store.open('a/b/file.bin');
    t.after(() => file.close());
    assert.equal(await contentOf(file), 'twelve bytes');
    assert.equal(file.identity.name, 'a/b/file.bin');
    assert.equal(file.identity.size, 12);
    assert.equal(file.identity.modifiedMs, 1500);
    assert.match(file.identity.version, /^[0-9a-f]{32}$/);
  });

  it('has the identity that stat and the listing tell', async (t) => {
    const { store } = await scratchStore(t, { file: 'x' });
    const file = await store.open('file');
    t.after(() => file.close());
    assert.deepEqual(await store.stat('file'), file.identity);
    for await (const entry of entriesIn(store.list('', { recursive: false }))) {
      assert.deepEqual(entry, { ...file.identity, isDirectory: false });
    }
  });

  it('has another version than a file with the same content', async (t) => {
    const { store } = await scratchStore(t, { one: 'x', two: 'x' });
    assert.notEqual((await store.stat('one')).version, (await store.stat('two')).version);
  });

  it('has the same version when its volume was attached again as another device', async (t) => {
    const { store, at } = await scratchStore(t, { file: 'x' });
    const stats = await lstat(at('file'), { bigint: true });
    const { version } = await store.stat('file');
    assert.equal(identityVersionOf(stats), version);
    stats.dev += 1n;
    assert.equal(identityVersionOf(stats), version);
  });

  it('is found by a name with any well-formed characters', async (t) => {
    const name = 'ünï/🪣 %2f*?".bin';
    const { store } = await scratchStore(t, { [name]: 'here' });
    const file = await store.open(name);
    t.after(() => file.close());
    assert.equal(await contentOf(file), 'here');
  });

  it('stays readable after the store is closed', async (t) => {
    const { store } = await scratchStore(t, { file: 'still here' });
    const file = await store.open('file');
    t.after(() => file.close());
    await store.close();
    assert.equal(await contentOf(file), 'still here');
  });

  it('is empty when the file is', async (t) => {
    const { store } = await scratchStore(t, { empty: '' });
    assert.equal((await store.stat('empty')).size, 0);
  });
});

describe('a name that is no regular file is NOT_A_FILE, with the reason', () => {
  async function assertRefused(work: (name: string) => Promise<unknown>, name: string, reason: RegExp) {
    const error = await failureOf(work(name));
    assert.equal(error.code, 'NOT_A_FILE');
    assert.match(error.message, reason);
  }

  it('a directory', async (t) => {
    const { store } = await scratchStore(t, { 'dir/file': '' });
    await assertRefused((name) => store.open(name), 'dir', /"dir" is a directory; list it instead/);
    await assertRefused((name) => store.stat(name), 'dir', /is a directory/);
  });

  it('a FIFO, without waiting for its writer', async (t) => {
    const { store, at } = await scratchStore(t);
    execFileSync('mkfifo', [at('fifo')]);
    await assertRefused((name) => store.open(name), 'fifo', /is a FIFO/);
    await assertRefused((name) => store.stat(name), 'fifo', /is a FIFO/);
  });

  it('a socket', async (t) => {
    const { store, at } = await scratchStore(t);
    const server = createServer().listen(at('socket'));
    t.after(() => server.close());
    await once(server, 'listening');
    await assertRefused((name) => store.open(name), 'socket', /is a socket/);
  });

  it('a device', async (t) => {
    const store = await openLocalStore('/dev');
    t.after(() => store.close());
    await assertRefused((name) => store.open(name), 'null', /is a device/);
    await assertRefused((name) => store.stat(name), 'null', /is a device/);
  });

  it('a symbolic link, also to a device or to a file of the store', async (t) => {
    const { store, at } = await scratchStore(t, { file: '' });
    await symlink('/dev/null', at('to-device'));
    await symlink('file', at('to-file'));
    await assertRefused(
      (name) => store.open(name),
      'to-device',
      /is a symbolic link; links are not followed/,
    );
    await assertRefused((name) => store.open(name), 'to-file', /is a symbolic link/);
    await assertRefused((name) => store.stat(name), 'to-file', /is a symbolic link/);
  });

  it('a file on another file system', { skip: process.platform !== 'linux' }, async (t) => {
    const store = await openLocalStore('/');
    t.after(() => store.close());
    await assertRefused((name) => store.open(name), 'proc/version', /is on another file system/);
    await assertRefused((name) => store.stat(name), 'proc/version', /is on another file system/);
    await assertRefused(
      (name) => namesOf(store.list(name, { recursive: false })),
      'proc',
      /another file system/,
    );
  });
});

describe('an error', () => {
  it('is NOT_FOUND for a missing file and a missing directory', async (t) => {
    const { store } = await scratchStore(t, { 'dir/file': '' });
    for (const name of ['missing', 'dir/missing', 'missing/file', 'missing/deep/file']) {
      assert.equal((await failureOf(store.open(name))).code, 'NOT_FOUND', name);
      assert.equal((await failureOf(store.stat(name))).code, 'NOT_FOUND', name);
    }
  });

  it('is NOT_FOUND for a name below a file, and says which part is the file', async (t) => {
    const { store } = await scratchStore(t, { 'dir/file': '' });
    const error = await failureOf(store.open('dir/file/below'));
    assert.equal(error.code, 'NOT_FOUND');
    assert.match(error.message, /"dir\/file" is not a directory/);
  });

  it('is PERMISSION_DENIED for a file and a directory that may not be read', async (t) => {
    const { store, at } = await scratchStore(t, { secret: '', 'closed/file': '' });
    await chmod(dirname(at('.')), 0o755);
    await chmod(at('secret'), 0);
    await chmod(at('closed'), 0);
    const errors = await asOrdinaryUser(async () => [
      await failureOf(store.open('secret')),
      await failureOf(store.open('closed/file')),
      await failureOf(namesOf(store.list('closed', { recursive: true }))),
    ]);
    await chmod(at('closed'), 0o700);
    for (const error of errors) assert.equal(error.code, 'PERMISSION_DENIED');
  });

  it('is INVALID_NAME for a bad name in every call', async (t) => {
    const { store } = await scratchStore(t);
    assert.equal((await failureOf(store.open('../x'))).code, 'INVALID_NAME');
    assert.equal((await failureOf(store.stat(''))).code, 'INVALID_NAME');
    assert.equal((await failureOf(namesOf(store.list('/etc', { recursive: true })))).code, 'INVALID_NAME');
  });

  it('never names a path of the server', async (t) => {
    const { store, at } = await scratchStore(t, { 'dir/file': '' });
    await symlink('/etc', at('link'));
    const root = dirname(at('.'));
    for (const name of ['missing', 'dir', 'dir/file/below', 'link/passwd', 'link', '../x']) {
      const { message } = await failureOf(store.open(name));
      assert.ok(!message.includes(root) && !message.includes('/proc') && !message.includes('/etc'), message);
    }
  });

  it('is UNAVAILABLE once the store is closed', async (t) => {
    const { store } = await scratchStore(t, { file: '' });
    await store.close();
    await store.close();
    assert.equal((await failureOf(store.open('file'))).code, 'UNAVAILABLE');
  });
});

describe('the root', () => {
  it('is held: the store follows it when it is moved', { skip: process.platform !== 'linux' }, async (t) => {
    const { store, at, outside } = await scratchStore(t, { file: 'inside' });
    const root = dirname(at('x'));
    await writeFile(outside('file'), 'outside');
    execFileSync('mv', [root, `${root}-moved`]);
    execFileSync('mv', [dirname(outside('x')), root]);
    const file = await store.open('file');
    t.after(() => file.close());
    assert.equal(await contentOf(file), 'inside');
  });

  it('may be reached through a symbolic link, which is the operator’s own', async (t) => {
    const { at, outside } = await scratchStore(t, { file: 'linked' });
    await symlink(dirname(at('x')), outside('link'));
    const store = await openLocalStore(outside('link'));
    t.after(() => store.close());
    assert.equal((await store.stat('file')).size, 6);
  });

  it('is INVALID_CONFIG when missing, a file, unreadable or unsearchable, with its path', async (t) => {
    const { at } = await scratchStore(t, { file: '' });
    await chmod(dirname(dirname(at('x'))), 0o755);
    await mkdir(at('unreadable'), { mode: 0o311 });
    await mkdir(at('unsearchable'), { mode: 0o444 });
    assert.ok((await stat(at('unsearchable'))).isDirectory());
    const cases: [string, RegExp][] = [
      ['missing', /does not exist; create it/],
      ['file', /is not a directory; serve the directory that holds it/],
      ['unreadable', /may not be read; grant/],
      ['unsearchable', /may not be read; grant/],
    ];
    await chmod(at('unreadable'), 0o300);
    for (const [name, expected] of cases) {
      const error = await asOrdinaryUser(() => failureOf(openLocalStore(at(name))));
      assert.equal(error.code, 'INVALID_CONFIG', name);
      assert.match(error.message, expected);
      assert.ok(error.message.includes(at(name)));
    }
  });

  for (const path of ['/proc', '/proc/self', '/sys']) {
    it(`is INVALID_CONFIG in ${path}`, { skip: process.platform !== 'linux' }, async () => {
      const error = await failureOf(openLocalStore(path));
      assert.equal(error.code, 'INVALID_CONFIG');
      assert.match(error.message, /holds no stored files; serve another directory/);
    });
  }
});
