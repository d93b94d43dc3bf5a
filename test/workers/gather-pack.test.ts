import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { appendFile, chmod, mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { identityVersionOf, timeVersionOf } from '../../src/base/files/file-version.ts';
import { openLocalStore } from '../../src/storage/local/local-store.ts';
import { openPack } from '../../src/storage/pack-by-opening.ts';
import type { PackedFile, Store } from '../../src/storage/store.ts';
import { type Gathered, gatherPack } from '../../workers/gather-pack.ts';
import { packBytes, packedFiles, settled } from '../support/stores/packs.ts';
import {
  asOrdinaryUser,
  openDescriptorCount,
  scratchStore,
  storeByPath,
  writeDeep,
} from '../support/stores/scratch-store.ts';

interface Gathering extends Gathered {
  bytes: Buffer;
}

/** The whole pack, or a piece of it, as a worker puts it into chunks of `chunkBytes`. */
async function gather(
  store: Store,
  files: readonly PackedFile[],
  { start = 0, end = Number.POSITIVE_INFINITY, chunkBytes = 1 << 20 } = {},
): Promise<Gathering> {
  const pack = await openPack(store, files);
  try {
    assert.equal(pack.source.kind, 'pack');
    const bytes = Buffer.alloc(Math.min(end, pack.size) - start, 0xee);
    const chunks = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
    const before = openDescriptorCount();
    const gathered = gatherPack(pack.source.slice(start, bytes.length), chunks, () => false);
    assert.equal(openDescriptorCount(), before, 'descriptors stay open');
    return { ...gathered, bytes };
  } finally {
    await pack.close();
  }
}

const CONTENTS = { 'a/b/one': 'the first', 'a/b/empty': '', 'a/two': 'the second one', three: '3' };
const NAMES = Object.keys(CONTENTS);
const BYTES = packBytes(Object.values(CONTENTS));

async function filledStore(t: TestContext) {
  const scratch = await scratchStore(t, CONTENTS);
  await settled(...NAMES.map(scratch.at));
  return { ...scratch, files: await packedFiles(scratch.store, NAMES) };
}

/** A file that is asked for as `asked` is gathered as zeros, and its neighbours as ever. */
async function assertRefused(store: Store, files: readonly PackedFile[], asked: PackedFile): Promise<void> {
  const { bytes, lost, refused } = await gather(store, [asked, ...files, asked]);
  assert.deepEqual(bytes, Buffer.concat([packBytes([asked.size]), BYTES, packBytes([asked.size])]));
  assert.deepEqual(refused, [0, files.length + 1]);
  assert.equal(lost, undefined);
}

/** What is at `path`, called `fileName`: nothing but the name can be what is wrong with it. */
function asThere(path: string, fileName: string): PackedFile {
  const stats = fs.lstatSync(path, { bigint: true });
  return { fileName, size: Number(stats.size), version: identityVersionOf(stats) };
}

/** Runs `change` once, in front of a call of a function of node:fs. */
function atCall(
  t: TestContext,
  name: 'openSync' | 'readSync',
  isAt: (argument: unknown) => boolean,
  change: () => void,
): void {
  const original = fs[name] as (...args: unknown[]) => unknown;
  let isDone = false;
  t.mock.method(fs, name, (...args: unknown[]) => {
    if (!isDone && isAt(args[0])) {
      isDone = true;
      change();
    }
    return original(...args);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.ok(isDone, `${name} was called`);
  });
}

describe('a gathered pack', () => {
  it('has one byte and the content of each file, whatever the chunks', async (t) => {
    const { files, store } = await filledStore(t);
    for (let chunkBytes = 1; chunkBytes <= BYTES.length; chunkBytes++) {
      const { bytes, lost, refused } = await gather(store, files, { chunkBytes });
      assert.deepEqual(bytes, BYTES);
      assert.deepEqual(refused, []);
      assert.equal(lost, undefined);
    }
  });

  it('takes versions of size and time as well', async (t) => {
    const { at, store } = await filledStore(t);
    const files = NAMES.map((name) => ({
      ...asThere(at(name), name),
      version: timeVersionOf(fs.lstatSync(at(name), { bigint: true })),
    }));
    const { bytes, refused } = await gather(store, files);
    assert.deepEqual(bytes, BYTES);
    assert.deepEqual(refused, []);
    const later = { ...(files[0] as PackedFile), version: `${files[0]?.version}1` };
    await assertRefused(store, files, later);
  });

  it('is the same from any byte to any other', async (t) => {
    const { files, store } = await filledStore(t);
    for (let start = 0; start < BYTES.length; start++) {
      for (let end = start + 1; end <= BYTES.length; end++) {
        const { bytes } = await gather(store, files, { start, end, chunkBytes: 5 });
        assert.deepEqual(bytes, BYTES.subarray(start, end));
      }
    }
  });

  it('tells of a file that is not as asked, and whether its leading byte comes before', async (t) => {
    const { files, store } = await filledStore(t);
    const wrong = { ...(files[2] as PackedFile), version: 'another' };
    const asked = [...files.slice(0, 2), wrong, ...files.slice(3)];
    const expected = packBytes(['the first', '', wrong.size, '3']);
    const lead = 1 + 9 + 1;
    for (let start = 0; start < expected.length; start++) {
      const { bytes, lost, refused } = await gather(store, asked, { start });
      assert.deepEqual(bytes, expected.subarray(start));
      assert.deepEqual(refused, start <= lead ? [2] : []);
      assert.equal(lost, start > lead && start < lead + 1 + wrong.size ? 2 : undefined);
    }
  });

  it('is gathered by path where directories have no descriptors', async (t) => {
    const { at, files, outside } = await filledStore(t);
    const store = await storeByPath(dirname(at('x')));
    t.after(() => store.close());
    await writeDeep(outside('b/one'), 'the first');
    await symlink(outside('b'), at('a/out'));
    await symlink('b', at('a/link'));
    await settled(outside('b/one'));
    assert.deepEqual((await gather(store, files)).bytes, BYTES);
    await assertRefused(store, files, asThere(outside('b/one'), 'a/out/one'));
    await assertRefused(store, files, asThere(at('a/b/one'), 'a/link/one'));
    await assertRefused(store, files, asThere(at('a'), 'a'));
  });

  it('ends early when nobody wants it any more', async (t) => {
    const { files, store } = await filledStore(t);
    const pack = await openPack(store, files);
    assert.equal(pack.source.kind, 'pack');
    const bytes = Buffer.alloc(pack.size, 0xee);
    let looks = 0;
    gatherPack(pack.source.slice(0, pack.size), [bytes], () => ++looks > 1);
    assert.deepEqual(bytes.subarray(0, 10), BYTES.subarray(0, 10));
    assert.ok(bytes.subarray(10).every((byte) => byte === 0xee));
    await pack.close();
  });

  it('keeps the store from closing until it is closed', async (t) => {
    const { files, store } = await filledStore(t);
    const pack = await openPack(store, files);
    let isClosed = false;
    const closed = store.close().then(() => (isClosed = true));
    await assert.rejects(async () => await openPack(store, files), { code: 'UNAVAILABLE' });
    assert.equal(isClosed, false);
    await pack.close();
    await pack.close();
    await closed;
  });
});

describe('a packed file is refused', () => {
  const names: [string, string, string][] = [
    ['by the empty name', '', '.'],
    ['by a name that leads out', '../root-evil/file', '../root-evil/file'],
    ['by a name that leads out from further down', 'a/../../root-evil/file', '../root-evil/file'],
    ['by a name with a step on the spot', 'a/./two', 'a/two'],
    ['by an absolute name', '/three', 'three'],
    ['by a name with a NUL', 'a/two\0', 'a/two'],
    ['by a name of our own', '.sluice-own', '.sluice-own'],
    ['that does not exist', 'a/none', 'a/two'],
    ['in no directory', 'none/at/all', 'a/two'],
    ['below a file', 'three/one', 'three'],
    ['that is a directory', 'a/b', 'a/b'],
  ];
  for (const [title, fileName, there] of names) {
    it(title, async (t) => {
      const { at, files, outside, store } = await filledStore(t);
      await writeFile(outside('file'), 'outside');
      await writeFile(at('.sluice-own'), 'ours');
      await settled(outside('file'), at('.sluice-own'));
      await assertRefused(store, files, asThere(at(there), fileName));
    });
  }

  it('with a link in any place of its name', async (t) => {
    const { at, files, outside, store } = await filledStore(t);
    await writeDeep(outside('b/one'), 'the first');
    await symlink(outside('.'), at('out'));
    await symlink('b', at('a/link'));
    await symlink('one', at('a/b/link'));
    await settled(outside('b/one'), at('a/b/link'));
    await assertRefused(store, files, asThere(outside('b/one'), 'out/b/one'));
    await assertRefused(store, files, asThere(at('a/b/one'), 'a/link/one'));
    await assertRefused(store, files, asThere(at('a/b/one'), 'a/b/link'));
    await assertRefused(store, files, asThere(at('a/b/link'), 'a/b/link'));
  });

  it('that is a FIFO, without waiting for its writer', async (t) => {
    const { at, files, store } = await filledStore(t);
    execFileSync('mkfifo', [at('fifo')]);
    await settled(at('fifo'));
    await assertRefused(store, files, asThere(at('fifo'), 'fifo'));
  });

  it('that is a device, which is not even opened', async (t) => {
    const store = await openLocalStore('/dev');
    t.after(() => store.close());
    const opened = t.mock.method(fs, 'openSync');
    syncBuiltinESMExports();
    const { bytes } = await gather(store, [asThere('/dev/null', 'null')]);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual(bytes, packBytes([0]));
    assert.equal(opened.mock.callCount(), 0);
  });

  it('on another file system', { skip: process.platform !== 'linux' }, async (t) => {
    const [inside, root] = [await openLocalStore('/dev/shm'), await openLocalStore('/')];
    t.after(() => Promise.all([inside.close(), root.close()]));
    const path = '/dev/shm/sluice-packed-file';
    await writeFile(path, 'elsewhere');
    t.after(() => rm(path));
    await settled(path);
    const [file] = await packedFiles(inside, ['sluice-packed-file']);
    assert.deepEqual((await gather(inside, [file as PackedFile])).bytes, packBytes(['elsewhere']));
    const named = { ...(file as PackedFile), fileName: 'dev/shm/sluice-packed-file' };
    assert.deepEqual((await gather(root, [named])).bytes, packBytes([9]));
  });

  it('of another size or version than asked for', async (t) => {
    const { files, store } = await filledStore(t);
    const file = files[2] as PackedFile;
    await assertRefused(store, files, { ...file, size: file.size + 1 });
    await assertRefused(store, files, { ...file, size: file.size - 1 });
    await assertRefused(store, files, { ...file, size: 0 });
    await assertRefused(store, files, { ...file, version: '' });
    await assertRefused(store, files, { ...file, version: (files[0] as PackedFile).version });
  });

  it('that may not be read', async (t) => {
    const { at, files, store } = await filledStore(t);
    await chmod(at('a/two'), 0);
    const [closed] = await packedFiles(store, ['a/two']);
    await settled(at('a/two'));
    await asOrdinaryUser(async () => {
      const { refused } = await gather(store, [files[0] as PackedFile, closed as PackedFile]);
      assert.deepEqual(refused, [1]);
    });
  });

  const changes: [string, (at: (name: string) => string) => Promise<void>][] = [
    ['was removed', (at) => rm(at('a/two'))],
    ['was removed with its directory', (at) => rm(at('a'), { recursive: true })],
    ['grew', (at) => appendFile(at('a/two'), 'x')],
    [
      'was written to, its times set back',
      async (at) => {
        const { atime, mtime } = fs.statSync(at('a/two'));
        await writeFile(at('a/two'), 'THE SECOND ONE');
        await utimes(at('a/two'), atime, mtime);
      },
    ],
    [
      'was replaced by its like',
      async (at) => {
        await writeFile(at('new'), 'the second one');
        await rename(at('new'), at('a/two'));
      },
    ],
    [
      'was replaced by a directory',
      async (at) => {
        await rm(at('a/two'));
        await mkdir(at('a/two'));
      },
    ],
  ];
  for (const [title, change] of changes) {
    it(`that ${title}`, async (t) => {
      const { at, files, store } = await filledStore(t);
      const file = files[2] as PackedFile;
      await change(at);
      await settled(dirname(at('x')));
      const { bytes } = await gather(store, [file, files[3] as PackedFile]);
      assert.deepEqual(bytes, packBytes([file.size, '3']));
    });
  }

  it('that is written to while it is read', async (t) => {
    const { at, files, store } = await filledStore(t);
    const inode = fs.statSync(at('a/two')).ino;
    const isFile = (fd: unknown) => fs.fstatSync(fd as number).ino === inode;
    atCall(t, 'readSync', isFile, () => fs.writeFileSync(at('a/two'), 'THE', { flag: 'r+' }));
    const { bytes } = await gather(store, files.slice(2));
    assert.deepEqual(bytes, packBytes([(files[2] as PackedFile).size, '3']));
  });

  it('that is cut off while it is read', async (t) => {
    const { at, files, store } = await filledStore(t);
    const inode = fs.statSync(at('a/two')).ino;
    const isFile = (fd: unknown) => fs.fstatSync(fd as number).ino === inode;
    atCall(t, 'readSync', isFile, () => fs.truncateSync(at('a/two'), 3));
    const { bytes } = await gather(store, files.slice(2));
    assert.deepEqual(bytes, packBytes([(files[2] as PackedFile).size, '3']));
  });

  for (const [what, put] of [
    ['another file', (path: string) => fs.writeFileSync(path, 'THE SECOND ONE')],
    ['a link', (path: string) => fs.symlinkSync('b/one', path)],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
  ] as const) {
    it(`in whose place ${what} comes between the look and the open`, async (t) => {
      const { at, files, store } = await filledStore(t);
      atCall(
        t,
        'openSync',
        (path) => String(path).endsWith('/two'),
        () => {
          fs.renameSync(at('a/two'), at('a/old'));
          put(at('a/two'));
        },
      );
      const { bytes } = await gather(store, files.slice(2));
      assert.deepEqual(bytes, packBytes([(files[2] as PackedFile).size, '3']));
    });
  }

  it('whose directory is a link by the time it is entered', async (t) => {
    const { at, files, outside, store } = await filledStore(t);
    await writeDeep(outside('two'), 'THE SECOND ONE');
    atCall(
      t,
      'openSync',
      (path) => String(path).endsWith('/a'),
      () => {
        fs.renameSync(at('a'), at('old'));
        fs.symlinkSync(outside('.'), at('a'));
      },
    );
    const { bytes } = await gather(store, files.slice(2));
    assert.deepEqual(bytes, packBytes([(files[2] as PackedFile).size, '3']));
  });

  it('but not where its directory is moved after it was entered', async (t) => {
    const { at, files, store } = await filledStore(t);
    atCall(
      t,
      'openSync',
      (path) => String(path).endsWith('/two'),
      () => {
        fs.renameSync(at('a'), at('old'));
        fs.mkdirSync(at('a'));
        fs.writeFileSync(at('a/two'), 'THE SECOND ONE');
      },
    );
    assert.deepEqual((await gather(store, files.slice(2))).bytes, packBytes(['the second one', '3']));
  });

  it('whose last change is so young that another could hide behind it', async (t) => {
    const { at, store } = await filledStore(t);
    const pack = await openPack(store, await packedFiles(store, ['three']));
    assert.equal(pack.source.kind, 'pack');
    const slice = pack.source.slice(0, pack.size);
    const { ctimeMs } = fs.lstatSync(at('three'));
    for (const [ageMs, isStampedPrecisely, lead] of [
      [19, false, 1],
      [20, false, 0],
      [19, true, 0],
      // A clock that is ahead of ours tells nothing.
      [-1, false, 0],
    ] as const) {
      t.mock.method(Date, 'now', () => Math.floor(ctimeMs) + ageMs);
      const bytes = Buffer.alloc(pack.size);
      gatherPack({ ...slice, root: { ...slice.root, isStampedPrecisely } }, [bytes], () => false);
      assert.equal(bytes[0], lead, `${ageMs} ms, ${isStampedPrecisely}`);
    }
    await pack.close();
  });
});
