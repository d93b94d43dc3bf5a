/** The life of an upload, without faults: started, written, committed, finished, or discarded. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openLocalStore } from '../../../../src/storage/local/local-store.ts';
import { nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import {
  encodeRecords,
  type SpecRecord,
} from '../../../../src/storage/local/uploads/journal/journal-record.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { openFilesBelow, scratchRoot } from '../../../support/scratch.ts';
import { failureOf, namesOf } from '../../../support/stores/scratch-store.ts';
import {
  makeDirectory,
  openUploads,
  scratchUploads,
  send,
  specOf,
  uploadEntries,
  uploadOf,
  visibleFiles,
  writeChunk,
} from './scratch-uploads.ts';
import { writtenEnd } from './written-end.ts';

describe('an upload', () => {
  it('is a file under its name once it is finished, and nothing before', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'a/b/file', 'content');
    await upload.sync();
    assert.deepEqual(visibleFiles(root), {});
    const file = await upload.finish({});
    assert.deepEqual(visibleFiles(root), { 'a/b/file': 'content' });
    assert.equal(file.name, 'a/b/file');
    assert.equal(file.size, 7);
  });

  it('gets the identity that a stat of the file tells', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    for (const kind of ['absent', 'any'] as const) {
      const upload = await uploadOf(uploads, kind, 'content', { condition: { kind } });
      const file = await upload.finish({});
      const store = await openLocalStore(root);
      t.after(() => store.close());
      assert.deepEqual(await store.stat(kind), file);
    }
  });

  it('may be empty', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploads.start(specOf('empty', { expected: { size: 0, crc32: 0 } }));
    assert.equal((await upload.finish({})).size, 0);
    assert.deepEqual(visibleFiles(root), { empty: '' });
  });

  it('takes its bytes in any order, from several writers', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploads.start(
      specOf('file', { expected: { size: 9, crc32: crc32(Buffer.from('abcdefghi')) } }),
    );
    const one = await upload.openWriter(assert.fail);
    const other = await upload.openWriter(assert.fail);
    await writeChunk(upload, one, 6, 'ghi');
    await writeChunk(upload, other, 0, 'abc');
    await upload.sync();
    assert.equal(upload.state().committedSize, 3);
    assert.deepEqual(upload.state().parts, [
      { start: 0, end: 3 },
      { start: 6, end: 9 },
    ]);
    await writeChunk(upload, one, 3, 'def');
    await one.close();
    await other.close();
    await upload.finish({});
    assert.deepEqual(visibleFiles(root), { file: 'abcdefghi' });
  });

  it('tells how far bytes are written, durable or not', async (t) => {
    const { uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'abcdef');
    assert.equal(writtenEnd(upload, 0), 6);
    assert.equal(writtenEnd(upload, 5), 6);
    assert.equal(writtenEnd(upload, 6), 6);
    assert.equal(writtenEnd(upload, 9), 9);
  });

  it('is not listed and not reached by name before it is finished', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    const store = await openLocalStore(root);
    t.after(() => store.close());
    assert.deepEqual(await namesOf(store.list('', { recursive: true })), []);
    for (const name of ['.sluice-uploads', `.sluice-uploads/${upload.id}.part`]) {
      assert.equal((await failureOf(store.open(name))).code, 'INVALID_NAME');
      assert.equal((await failureOf(uploads.delete(name, { kind: 'any' }))).code, 'INVALID_NAME');
      assert.equal((await failureOf(uploads.start(specOf(name)))).code, 'INVALID_NAME');
    }
  });

  it('holds a descriptor only while a writer is open or bytes are unsynced', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploads.start(specOf('file'));
    const parts = () =>
      openFilesBelow(root).filter((path) => path.endsWith('.part') || path.endsWith('.journal'));
    assert.deepEqual(parts(), []);
    const writer = await upload.openWriter(assert.fail);
    assert.equal(parts().length, 1);
    await writeChunk(upload, writer, 0, 'abc');
    await upload.sync();
    await writer.close();
    assert.deepEqual(parts(), []);
    await upload.finish({});
    assert.deepEqual(
      openFilesBelow(root).filter((path) => !/\.sluice-(?:uploads|lock)$/.test(path)),
      [],
    );
  });

  it('becomes a file with the rights that the umask leaves', async (t) => {
    const umask = process.umask(0o027);
    t.after(() => process.umask(umask));
    const { at, root, uploads } = await scratchUploads(t);
    await (await uploadOf(uploads, 'new/file', 'content')).finish({});
    assert.equal(statSync(at('new/file')).mode & 0o777, 0o640);
    assert.equal(statSync(at('new')).mode & 0o777, 0o750);
    assert.equal(statSync(join(root, '.sluice-uploads')).mode & 0o777, 0o700);
  });

  it('keeps the rights of the file that it replaces, and the owner where that is permitted', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    const owner = process.geteuid?.() === 0 ? 54_321 : process.geteuid?.();
    for (const mode of [0o600, 0o755]) {
      writeFileSync(at('file'), 'before');
      chmodSync(at('file'), mode);
      if (owner !== undefined) chownSync(at('file'), owner, owner);
      const upload = await uploadOf(uploads, 'file', 'content', { condition: { kind: 'any' } });
      await upload.finish({});
      const { mode: kept, size, uid } = statSync(at('file'));
      assert.deepEqual({ size, mode: kept & 0o7777, uid }, { size: 7, mode, uid: owner });
    }
  });

  it('is gone after its abort, which may be asked for twice', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    await upload.abort();
    await upload.abort();
    assert.deepEqual(uploadEntries(root), []);
    assert.equal((await failureOf(uploads.find(upload.id))).code, 'UPLOAD_NOT_FOUND');
    assert.equal((await failureOf(upload.openWriter(assert.fail))).code, 'UPLOAD_NOT_FOUND');
    assert.equal((await failureOf(upload.finish({}))).code, 'UPLOAD_NOT_FOUND');
    assert.equal((await failureOf(upload.sync())).code, 'UPLOAD_NOT_FOUND');
  });

  it('tells its writers that it was aborted', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploads.start(specOf('file'));
    const errors: Error[] = [];
    const writer = await upload.openWriter((error) => errors.push(error));
    await writeChunk(upload, writer, 0, 'content');
    await upload.abort();
    assert.deepEqual(
      errors.map((error) => (error as { code?: string }).code),
      ['UPLOAD_NOT_FOUND'],
    );
    upload.written({ start: 7, end: 8, crc32: 0 });
    await writer.close();
    assert.deepEqual(
      openFilesBelow(root).filter((path) => path.includes('.part')),
      [],
    );
  });

  it('cannot be aborted when it is finished', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    await upload.finish({});
    assert.equal((await failureOf(upload.abort())).code, 'INVALID_ARGUMENT');
    assert.deepEqual(visibleFiles(root), { file: 'content' });
  });

  it('takes no bytes when it is finished', async (t) => {
    const { uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    await upload.finish({});
    assert.equal((await failureOf(upload.openWriter(assert.fail))).code, 'UPLOAD_NOT_FOUND');
    assert.throws(() => upload.checkQuota(7, 1), { code: 'UPLOAD_NOT_FOUND' });
  });
});

describe('a second finish', () => {
  it('has the result of the first, also at the same time', async (t) => {
    const { uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    const [one, other] = await Promise.all([upload.finish({}), upload.finish({})]);
    assert.deepEqual(one, other);
    assert.deepEqual(await upload.finish({}), one);
    assert.deepEqual(await (await uploads.find(upload.id)).finish({}), one);
  });

  it('has the result of the first in a later process, whatever became of the file', async (t) => {
    const { uploads, reopen } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    const file = await upload.finish({});
    await uploads.delete('file', { kind: 'any' });
    await uploads.close();
    const found = await (await reopen()).find(upload.id);
    assert.deepEqual(await found.finish({}), file);
    assert.deepEqual(found.state().file, file);
    assert.equal(found.state().committedSize, 7);
  });
});

describe('a later process', () => {
  it('goes on with what was committed', async (t) => {
    const { root, uploads, reopen } = await scratchUploads(t);
    const spec = { expected: { size: 11, crc32: crc32(Buffer.from('hello world')) } };
    const upload = await uploadOf(uploads, 'file', 'hello', spec);
    await upload.sync();
    // Written, not committed, as at a crash.
    await send(upload, 5, ' wor');
    const found = await (await reopen()).find(upload.id);
    assert.ok(found.state().committedSize >= 5);
    assert.equal(found.expectedSize, 11);
    assert.equal(found.name, 'file');
    const rest = 'hello world'.slice(found.state().committedSize);
    await send(found, found.state().committedSize, rest);
    await found.finish({});
    assert.deepEqual(visibleFiles(root), { file: 'hello world' });
  });

  it('has everything after a close', async (t) => {
    const { uploads, reopen } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'hello');
    await uploads.close();
    const found = await (await reopen()).find(upload.id);
    assert.equal(found.state().committedSize, 5);
  });

  it('holds no file open to know of a thousand uploads', async (t) => {
    const { root, uploads, reopen } = await scratchUploads(t, { sync: 'none' });
    const ids: string[] = [];
    for (let index = 0; index < 1000; index += 1) ids.push((await uploads.start(specOf(`${index}`))).id);
    await uploads.close();
    const later = await reopen();
    await Promise.all(ids.map((id) => later.find(id)));
    // The sweep reads one journal at a time.
    assert.ok(openFilesBelow(root).filter((path) => /\.(?:part|journal)$/.test(path)).length <= 1);
  });
});

describe('an id', () => {
  it('that was never given out is not found, whatever it looks like', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    await uploads.start(specOf('file'));
    writeFileSync(join(root, 'secret.journal'), 'x');
    for (const id of [
      '',
      '.',
      '../secret',
      'a'.repeat(32),
      'A'.repeat(32),
      '0'.repeat(31),
      `${'0'.repeat(32)}\n`,
      'x\0',
      '\ud800',
    ]) {
      assert.equal((await failureOf(uploads.find(id))).code, 'UPLOAD_NOT_FOUND', JSON.stringify(id));
    }
  });
});

describe('deleting a directory', () => {
  it('removes an empty one, and nothing else', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    for (const name of ['empty', 'full/empty', 'linked']) mkdirSync(at(name), { recursive: true });
    writeFileSync(at('file'), '');
    symlinkSync('nowhere', at('linked/link'));
    symlinkSync('empty', at('link'));
    for (const [name, code] of [
      ['file', 'NOT_A_FILE'],
      ['link', 'NOT_A_FILE'],
      ['link/x', 'NOT_A_FILE'],
      ['absent', 'NOT_FOUND'],
      ['full', 'NOT_EMPTY'],
      ['linked', 'NOT_EMPTY'],
      ['', 'INVALID_NAME'],
      ['full/..', 'INVALID_NAME'],
      ['.sluice-uploads', 'INVALID_NAME'],
    ] as const) {
      assert.equal((await failureOf(uploads.deleteDirectory(name))).code, code, name);
    }
    for (const name of ['empty', 'full/empty', 'full']) await uploads.deleteDirectory(name);
    assert.deepEqual([existsSync(at('empty')), existsSync(at('full'))], [false, false]);
  });

  it('does not fail an upload into it that is finished meanwhile', async (t) => {
    const root = scratchRoot(t);
    let removals = 0;
    // The directory is removed behind its making, and behind the look at what is in it.
    const removedBefore = (call: 'lstat' | 'link') => async (path: string, to?: string) => {
      if ((to ?? path).endsWith('/file') && removals < 2 && existsSync(join(root, 'd'))) {
        removals += 1;
        rmdirSync(join(root, 'd'));
      }
      return await (nodeFileSystem[call] as (...paths: unknown[]) => Promise<never>)(path, to);
    };
    const fileSystem = { ...nodeFileSystem, lstat: removedBefore('lstat'), link: removedBefore('link') };
    const uploads = await openUploads(t, root, { fileSystem });
    const upload = await uploadOf(uploads, 'd/file', 'content');
    await upload.finish({});
    assert.equal(removals, 2);
    assert.equal(readFileSync(join(root, 'd/file'), 'utf8'), 'content');
  });
});

describe('delete', () => {
  it('removes a file', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    makeDirectory(at('a'));
    writeFileSync(at('a/file'), 'content');
    await uploads.delete('a/file', { kind: 'any' });
    assert.deepEqual(visibleFiles(root), {});
    assert.equal((await failureOf(uploads.delete('a/file', { kind: 'any' }))).code, 'NOT_FOUND');
    assert.equal((await failureOf(uploads.delete('b/file', { kind: 'any' }))).code, 'NOT_FOUND');
  });

  it('of a missing name says what a reader is told, with the name that was probably meant', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    makeDirectory(at('models'));
    writeFileSync(at('models/llama.bin'), '');
    const store = await openLocalStore(root);
    t.after(() => store.close());
    for (const [name, remedy] of [
      ['models/lama.bin', 'did you mean "models/llama.bin"?'],
      ['model/llama.bin', 'did you mean "models"?'],
      ['other', 'list the directory to see what there is'],
    ] as const) {
      const { code, message } = await failureOf(uploads.delete(name, { kind: 'any' }));
      assert.equal(code, 'NOT_FOUND');
      assert.ok(message.endsWith(`; ${remedy}`), message);
      assert.equal(message, (await failureOf(store.stat(name))).message);
    }
  });

  it('removes only the version that is asked for', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const { version } = await (await uploadOf(uploads, 'file', 'content')).finish({});
    const error = await failureOf(uploads.delete('file', { kind: 'version', version: 'other' }));
    assert.equal(error.code, 'VERSION_MISMATCH');
    assert.equal(error.version, version);
    assert.deepEqual(visibleFiles(root), { file: 'content' });
    await uploads.delete('file', { kind: 'version', version });
    assert.deepEqual(visibleFiles(root), {});
  });

  it('removes nothing but files', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    makeDirectory(at('directory'));
    writeFileSync(at('file'), '');
    symlinkSync('file', at('link'));
    for (const name of ['directory', 'link']) {
      assert.equal((await failureOf(uploads.delete(name, { kind: 'any' }))).code, 'NOT_A_FILE', name);
    }
    assert.equal(readFileSync(at('link'), 'utf8'), '');
  });
});

it('a directory of uploads that is a link is refused', async (t) => {
  const { root, reopen, uploads } = await scratchUploads(t);
  makeDirectory(join(root, 'elsewhere'));
  symlinkSync('elsewhere', join(root, '.sluice-uploads'));
  await assert.rejects(reopen(), { code: 'INVALID_CONFIG' });
  assert.equal((await failureOf(uploads.start(specOf('file')))).code, 'NOT_A_FILE');
  chmodSync(join(root, 'elsewhere'), 0o700);
});

describe('an upload whose id the client chose', () => {
  const id = '0123456789abcdef0123456789abcdef';

  it('has that id', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    assert.equal((await uploads.start(specOf('file', { id }))).id, id);
    assert.deepEqual(uploadEntries(root), [`${id}.journal`, `${id}.part`]);
  });

  it('is the same when it is started again, in this process or the next', async (t) => {
    const { reopen, root, uploads } = await scratchUploads(t);
    const spec = specOf('file', { id, expected: { size: 7, crc32: 1, sha256: new Uint8Array(32) } });
    const upload = await uploads.start(spec);
    await send(upload, 0, 'con');
    await upload.sync();
    assert.equal((await uploads.start(spec)).state().committedSize, 3);
    assert.equal((await (await reopen()).start(spec)).state().committedSize, 3);
    assert.equal(uploadEntries(root).length, 2);
  });

  it('is started once, by however many calls at once', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const started = await Promise.all([1, 2, 3].map(() => uploads.start(specOf('file', { id }))));
    assert.equal(new Set(started).size, 1);
    assert.equal(uploadEntries(root).length, 2);
  });

  it('is still known when it is finished, although the name is taken then', async (t) => {
    const { reopen, uploads } = await scratchUploads(t);
    const upload = await uploads.start(specOf('file', { id }));
    await send(upload, 0, 'content');
    const file = await upload.finish({});
    for (const again of [uploads, await reopen()]) {
      assert.deepEqual((await again.start(specOf('file', { id }))).state().file, file);
    }
    assert.equal((await failureOf(uploads.start(specOf('file')))).code, 'ALREADY_EXISTS');
  });

  it('begins anew when the one before was aborted or has expired', async (t) => {
    const clock = new FakeClock(1);
    const { uploads } = await scratchUploads(t, { now: clock.nowMs, expiryMs: 1000 });
    for (const end of ['abort', 'expire']) {
      const upload = await uploads.start(specOf('file', { id }));
      await send(upload, 0, 'content');
      await upload.sync();
      if (end === 'abort') await upload.abort();
      else clock.pass(2000);
      assert.equal((await uploads.start(specOf('file', { id }))).state().committedSize, 0);
    }
  });

  for (const [what, other] of [
    ['another file', specOf('other', { id })],
    ['other content', specOf('file', { id, expected: { size: 5 } })],
    ['another condition', specOf('file', { id, condition: { kind: 'any' } })],
  ] as const) {
    it(`is not taken for one of ${what}`, async (t) => {
      const { uploads } = await scratchUploads(t);
      await uploads.start(specOf('file', { id }));
      const error = await failureOf(uploads.start(other));
      assert.equal(error.code, 'INVALID_ARGUMENT');
      assert.match(error.message, /another file or content; choose a new one/);
    });
  }

  for (const bad of ['x', '../../../../etc/passwd', id.toUpperCase(), `${id}0`, `${id}\n`]) {
    it(`is refused as ${JSON.stringify(bad)}`, async (t) => {
      const { root, uploads } = await scratchUploads(t);
      assert.equal((await failureOf(uploads.start(specOf('file', { id: bad })))).code, 'INVALID_ARGUMENT');
      assert.deepEqual(uploadEntries(root), []);
    });
  }

  for (const left of [['part'], ['journal'], ['part', 'journal'], ['part', 'new', 'journal']]) {
    it(`begins anew where a crash has left ${left.join(', ')} and had answered nobody`, async (t) => {
      const { reopen, root } = await scratchUploads(t);
      const directory = join(root, '.sluice-uploads');
      makeDirectory(directory);
      for (const kind of left) writeFileSync(join(directory, `${id}.${kind}`), 'torn');
      const uploads = await reopen();
      const upload = await uploads.start(specOf('file', { id }));
      await send(upload, 0, 'content');
      await upload.finish({});
      assert.deepEqual(visibleFiles(root), { file: 'content' });
    });
  }

  it('is refused where a newer version has written something under its id', async (t) => {
    const { reopen, root } = await scratchUploads(t);
    const directory = join(root, '.sluice-uploads');
    makeDirectory(directory);
    const newer = { kind: 'spec', format: 99, name: 'a', expected: {}, condition: { kind: 'any' }, atMs: 1 };
    writeFileSync(join(directory, `${id}.journal`), encodeRecords([newer as SpecRecord]));
    await failureOf((await reopen()).start(specOf('file', { id })));
    assert.ok(uploadEntries(root).includes(`${id}.journal`));
  });
});
