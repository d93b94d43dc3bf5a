import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TransferError } from '../../../../../src/base/errors.ts';
import { openLocalStore } from '../../../../../src/storage/local/local-store.ts';
import type { WriteOutcome } from '../../../../../src/storage/upload-store.ts';
import { openFilesBelow } from '../../../../support/scratch.ts';
import { scratchUploads, uploadEntries, visibleFiles } from '../scratch-uploads.ts';
import { codesOf, JobsHere, writePack } from './pack-of.ts';

function versionOf(outcome: WriteOutcome | undefined): string {
  if (outcome instanceof TransferError) throw outcome;
  assert.ok(outcome !== undefined);
  return outcome.version;
}

describe('a pack', () => {
  it('becomes files, each with its content, in directories that are made', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const files = { top: 'one', 'a/b/two': 'two', 'a/b/empty': '', 'a/three': 'three' };
    assert.deepEqual(codesOf(await writePack(uploads, files)), ['ok', 'ok', 'ok', 'ok']);
    assert.deepEqual(visibleFiles(root), files);
    assert.deepEqual(uploadEntries(root), []);
    await uploads.close();
    assert.deepEqual(openFilesBelow(root), []);
  });

  it('says the version that a reader sees', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const [first, second] = await writePack(uploads, { 'a/b': 'content', c: '' });
    const store = await openLocalStore(root);
    t.after(() => store.close());
    assert.equal((await store.stat('a/b')).version, versionOf(first));
    assert.equal((await store.stat('c')).version, versionOf(second));
  });

  it('fails by file, for every reason that a single upload has', async (t) => {
    const { root, at, uploads } = await scratchUploads(t, { maxSizeBytes: 10 });
    writeFileSync(at('there'), 'old');
    mkdirSync(at('directory'));
    symlinkSync('there', at('link'));
    symlinkSync('directory', at('way'));
    const files = {
      good: 'good',
      there: 'new',
      directory: 'x',
      link: 'x',
      'way/file': 'x',
      'there/file': 'x',
      '../out': 'x',
      'a/.sluice-x': 'x',
      large: 'more than ten',
      'also/good': 'good',
    };
    const expected = {
      good: 'ok',
      there: 'ALREADY_EXISTS',
      directory: 'NOT_A_FILE',
      link: 'NOT_A_FILE',
      'way/file': 'NOT_A_FILE',
      'there/file': 'NOT_A_FILE',
      '../out': 'INVALID_NAME',
      'a/.sluice-x': 'INVALID_NAME',
      large: 'TOO_LARGE',
      'also/good': 'ok',
    };
    assert.deepEqual(codesOf(await writePack(uploads, files)), Object.values(expected));
    assert.equal(visibleFiles(root).there, 'old');
    assert.equal(visibleFiles(root).good, 'good');
    assert.equal(visibleFiles(root)['also/good'], 'good');
    assert.deepEqual(uploadEntries(root), []);
  });

  it('replaces what its conditions allow, and names the version that is there', async (t) => {
    const { root, at, uploads } = await scratchUploads(t);
    writeFileSync(at('any'), 'old');
    const [old] = await writePack(uploads, { pinned: 'old', other: 'old' });
    const condition = { kind: 'version', version: versionOf(old) } as const;
    const wishes = {
      any: { condition: { kind: 'any' } },
      pinned: { condition },
      other: { condition },
      gone: { condition },
    } as const;
    const outcomes = await writePack(
      uploads,
      { any: 'new', pinned: 'new', other: 'new', gone: 'new' },
      { wishes },
    );
    assert.deepEqual(codesOf(outcomes), ['ok', 'ok', 'VERSION_MISMATCH', 'VERSION_MISMATCH']);
    assert.notEqual((outcomes[2] as TransferError).version, undefined);
    assert.deepEqual(visibleFiles(root), { any: 'new', pinned: 'new', other: 'old' });
  });

  it('gives files their modes and times, and keeps the rights of what they replace', async (t) => {
    const { at, uploads } = await scratchUploads(t);
    writeFileSync(at('replaced'), 'old');
    chmodSync(at('replaced'), 0o640);
    const modifiedMs = 1_234_567_890_123;
    const wishes = {
      replaced: { condition: { kind: 'any' } },
      set: { mode: 0o6751, modifiedMs },
      old: { modifiedMs: -1500 },
    } as const;
    assert.deepEqual(codesOf(await writePack(uploads, { replaced: 'x', set: 'x', old: 'x' }, { wishes })), [
      'ok',
      'ok',
      'ok',
    ]);
    assert.equal(lstatSync(at('replaced')).mode & 0o7777, 0o640);
    assert.equal(lstatSync(at('set')).mode & 0o7777, 0o751);
    assert.equal(Number(statSync(at('set'), { bigint: true }).mtimeMs), modifiedMs);
    assert.equal(Math.floor(statSync(at('old')).mtimeMs), -1500);
  });

  it('refuses a name that it has twice', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const files = [
      { name: 'a', size: 1, condition: { kind: 'any' } },
      { name: 'a', size: 1, condition: { kind: 'any' } },
    ] as const;
    const outcomes = await uploads.writePack(files, new JobsHere(Buffer.from('12')));
    assert.deepEqual(codesOf(outcomes), ['ok', 'INVALID_ARGUMENT']);
    assert.deepEqual(visibleFiles(root), { a: '1' });
  });
});
