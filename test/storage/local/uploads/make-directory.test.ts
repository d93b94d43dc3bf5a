import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type FileSystem, nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { asOrdinaryUser, failureOf } from '../../../support/stores/scratch-store.ts';
import { openUploads, scratchUploads, uploadOf } from './scratch-uploads.ts';

describe('making a directory', () => {
  it('makes it and those above it, with its mode and the usual one', async (t) => {
    const umask = process.umask(0o027);
    t.after(() => process.umask(umask));
    const { at, uploads } = await scratchUploads(t);
    const modeOf = (name: string) => statSync(at(name)).mode & 0o7777;
    await uploads.makeDirectory('a/b/c');
    await uploads.makeDirectory('a/open', 0o777);
    await uploads.makeDirectory('a/closed', 0);
    await uploads.makeDirectory('a/special', 0o6750);
    assert.deepEqual(
      ['a', 'a/b', 'a/b/c', 'a/open', 'a/closed', 'a/special'].map(modeOf),
      [0o750, 0o750, 0o750, 0o777, 0, 0o750],
    );
  });

  it('keeps the set-group-id bit that it inherits', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    mkdirSync(at('group'));
    chmodSync(at('group'), 0o2775);
    await uploads.makeDirectory('group/new', 0o770);
    assert.equal(statSync(at('group/new')).mode & 0o7777, 0o2770);
  });

  it('is done when it is there, and leaves its mode', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    mkdirSync(at('there'));
    chmodSync(at('there'), 0o700);
    await uploads.makeDirectory('there', 0o755);
    await Promise.all(Array.from({ length: 10 }, () => uploads.makeDirectory('new/deep', 0o700)));
    assert.deepEqual(
      ['there', 'new/deep'].map((name) => statSync(at(name)).mode & 0o777),
      [0o700, 0o700],
    );
  });

  it('is refused where something else is in the way', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    writeFileSync(at('file'), '');
    mkdirSync(at('elsewhere'));
    symlinkSync('elsewhere', at('link'));
    for (const [name, code] of [
      ['file', 'NOT_A_FILE'],
      ['file/below', 'NOT_A_FILE'],
      ['link', 'NOT_A_FILE'],
      ['link/below', 'NOT_A_FILE'],
      ['', 'INVALID_NAME'],
      ['a/../b', 'INVALID_NAME'],
      ['.sluice-uploads', 'INVALID_NAME'],
      ['a/.sluice-x', 'INVALID_NAME'],
      ['x'.repeat(256), 'INVALID_NAME'],
    ] as const) {
      const error = await failureOf(uploads.makeDirectory(name));
      assert.equal(error.code, code, name);
      assert.ok(!error.message.includes(root));
    }
    assert.deepEqual(readdirSync(at('elsewhere')), []);
    assert.equal(existsSync(at('a')), false);
  });

  it('where the server may not is refused with the remedy', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    mkdirSync(at('locked'), 0o555);
    const error = await asOrdinaryUser(() => failureOf(uploads.makeDirectory('locked/new')));
    assert.equal(error.code, 'PERMISSION_DENIED');
    assert.match(error.message, /its operator can grant/);
  });

  it('takes its turn with the removal of directories: both succeed, and the last one counts', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.all([
        uploads.makeDirectory('d/e', 0o750),
        uploads.deleteDirectory('d').catch((error: { code: string }) => error.code),
        uploads.deleteDirectory('d/e').catch((error: { code: string }) => error.code),
        uploads.makeDirectory('d/e', 0o750),
      ]);
      for (const code of results.slice(1, 3))
        assert.ok(['NOT_FOUND', 'NOT_EMPTY', undefined].includes(code as string));
      assert.equal(statSync(at('d/e')).mode & 0o777, 0o750);
      await uploads.deleteDirectory('d/e');
    }
  });

  it('makes those above it again that somebody removes meanwhile', async (t) => {
    const root = scratchRoot(t);
    let removals = 0;
    const mkdir = async (path: string, mode: number) => {
      if (path.endsWith('/below') && removals < 2) {
        removals += 1;
        rmdirSync(join(root, 'd'));
      }
      await nodeFileSystem.mkdir(path, mode);
    };
    const uploads = await openUploads(t, root, { fileSystem: { ...nodeFileSystem, mkdir } });
    await uploads.makeDirectory('d/below');
    assert.equal(removals, 2);
    assert.ok(existsSync(join(root, 'd/below')));
  });

  it('is durable once it is done: it, and each above it, is synced behind its making', async (t) => {
    const calls: string[] = [];
    const root = scratchRoot(t);
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      mkdir: async (path, mode) => {
        await nodeFileSystem.mkdir(path, mode);
        calls.push('mkdir');
      },
      fsync: async (fd) => {
        await nodeFileSystem.fsync(fd);
        calls.push('fsync');
      },
    };
    const uploads = await openUploads(t, root, { fileSystem, sync: 'batched' });
    await uploads.makeDirectory('a/b', 0o755);
    assert.deepEqual(calls, ['mkdir', 'fsync', 'mkdir', 'fsync']);
  });

  it('lets an upload go into it', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    await uploads.makeDirectory('d', 0o700);
    await (await uploadOf(uploads, 'd/file', 'content')).finish({});
    assert.equal(statSync(at('d')).mode & 0o777, 0o700);
    assert.equal((await failureOf(uploads.deleteDirectory('d'))).code, 'NOT_EMPTY');
  });
});
