/** What `finish` checks before a file gets its name, and what stays when it refuses. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import type { ExpectedContent } from '../../../../src/storage/upload-store.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { asOrdinaryUser, failureOf } from '../../../support/stores/scratch-store.ts';
import { makeDirectory, scratchUploads, send, specOf, uploadOf, visibleFiles } from './scratch-uploads.ts';

const CONTENT = 'content';
const BYTES = Buffer.from(CONTENT);
const RIGHT: ExpectedContent = {
  size: BYTES.length,
  crc32: crc32(BYTES),
  sha256: createHash('sha256').update(BYTES).digest(),
};

const WRONG: readonly [string, ExpectedContent, RegExp][] = [
  ['a larger size', { size: 8 }, /lacks bytes from 7 on/],
  ['a smaller size', { size: 6 }, /has 7 bytes, more than the declared 6/],
  ['another CRC-32', { crc32: 1 }, /has the CRC-32 [0-9a-f]{8}, not 00000001/],
  ['another SHA-256', { sha256: new Uint8Array(32) }, /has the SHA-256 [0-9a-f]{64}, not 0{64}/],
];

describe('finish', () => {
  it('takes what was declared at the start, at the end, or both', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    for (const [name, atStart, atEnd] of [
      ['start', RIGHT, {}],
      ['end', {}, RIGHT],
      ['both', RIGHT, RIGHT],
    ] as const) {
      await (await uploadOf(uploads, name, CONTENT, { expected: atStart })).finish(atEnd);
    }
    assert.deepEqual(visibleFiles(root), { start: CONTENT, end: CONTENT, both: CONTENT });
  });

  for (const [what, expected, message] of WRONG) {
    it(`refuses ${what} than declared, and the upload stays`, async (t) => {
      const { root, uploads } = await scratchUploads(t);
      const upload = await uploadOf(uploads, 'file', CONTENT);
      const error = await failureOf(upload.finish(expected));
      assert.equal(error.code, 'CONTENT_MISMATCH');
      assert.match(error.message, message);
      assert.deepEqual(visibleFiles(root), {});
      assert.equal(upload.state().committedSize, 7);
      await upload.finish(RIGHT);
      assert.deepEqual(visibleFiles(root), { file: CONTENT });
    });
  }

  for (const [what, wrong, message] of WRONG) {
    it(`is judged by what it declares itself, beside others and behind them: ${what}`, async (t) => {
      const { root, uploads, reopen } = await scratchUploads(t);
      const upload = await uploadOf(uploads, 'file', CONTENT);
      const [refused, done, late] = await Promise.allSettled([
        upload.finish(wrong),
        upload.finish(RIGHT),
        upload.finish(wrong),
      ]);
      assert.equal(done.status, 'fulfilled', 'a right one inherits nothing from the one before it');
      for (const each of [refused, late]) {
        assert.ok(each.status === 'rejected');
        assert.equal((each.reason as { code: string }).code, 'CONTENT_MISMATCH');
      }
      assert.deepEqual(await upload.finish({}), done.value);
      await uploads.close();
      const found = await (await reopen()).find(upload.id);
      assert.match((await failureOf(found.finish(wrong))).message, message);
      assert.deepEqual(await found.finish(RIGHT), done.value);
      assert.deepEqual(visibleFiles(root), { file: CONTENT });
    });
  }

  it('takes a SHA-256 that comes late of the file, as long as it is there', async (t) => {
    const { uploads, at } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', CONTENT);
    const file = await upload.finish({});
    assert.deepEqual(await upload.finish(RIGHT), file);
    const wrong = upload.finish({ sha256: new Uint8Array(32) });
    assert.match((await failureOf(wrong)).message, /has the SHA-256/);
    writeFileSync(at('file'), CONTENT);
    assert.match((await failureOf(upload.finish(RIGHT))).message, /was replaced since it was finished/);
    assert.deepEqual(await upload.finish({}), file);
  });

  it('refuses what the start and the end declare differently', async (t) => {
    const { uploads } = await scratchUploads(t);
    for (const [, wrong] of WRONG) {
      const upload = await uploadOf(uploads, 'file', CONTENT, { expected: RIGHT });
      assert.equal((await failureOf(upload.finish(wrong))).code, 'CONTENT_MISMATCH');
      await upload.abort();
    }
  });

  it('refuses a file with a gap', async (t) => {
    const { uploads } = await scratchUploads(t);
    const upload = await uploads.start(specOf('file', { expected: { size: 9 } }));
    await send(upload, 0, 'abc');
    await send(upload, 6, 'ghi');
    const error = await failureOf(upload.finish({}));
    assert.equal(error.code, 'CONTENT_MISMATCH');
    assert.match(error.message, /lacks bytes from 3 on/);
    await send(upload, 3, 'def');
    assert.equal((await upload.finish({})).size, 9);
  });

  it('leaves out what an earlier process wrote behind the committed bytes', async (t) => {
    const { root, uploads, reopen } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'abc');
    await upload.sync();
    writeFileSync(`${root}/.sluice-uploads/${upload.id}.part`, 'abc and what was lost in a crash');
    const found = await (await reopen()).find(upload.id);
    assert.equal(found.state().committedSize, 3);
    await found.finish({ size: 3 });
    assert.deepEqual(visibleFiles(root), { file: 'abc' });
  });
});

describe('finish without any size', () => {
  it('takes what there is', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    await (await uploadOf(uploads, 'file', CONTENT)).finish({});
    assert.deepEqual(visibleFiles(root), { file: CONTENT });
  });

  it('is refused for an upload of an earlier process, which may have lost bytes', async (t) => {
    const { root, uploads, reopen } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', CONTENT);
    await uploads.close();
    const found = await (await reopen()).find(upload.id);
    assert.equal((await failureOf(found.finish({}))).code, 'CONTENT_MISMATCH');
    await found.finish({ size: 7 });
    assert.deepEqual(visibleFiles(root), { file: CONTENT });
  });
});

describe('the condition of an upload', () => {
  it('that nothing is there is checked at the start and at the end', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', CONTENT);
    writeFileSync(at('file'), 'other');
    assert.equal((await failureOf(upload.finish({}))).code, 'ALREADY_EXISTS');
    assert.equal((await failureOf(uploads.start(specOf('file')))).code, 'ALREADY_EXISTS');
    assert.deepEqual(visibleFiles(root), { file: 'other' });
    await uploads.delete('file', { kind: 'any' });
    await upload.finish({});
    assert.deepEqual(visibleFiles(root), { file: CONTENT });
  });

  it('that nothing is there lets one of many through', async (t) => {
    const { root, uploads } = await scratchUploads(t);
    const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`);
    const all = await Promise.all(contents.map((content) => uploadOf(uploads, 'file', content)));
    const results = await Promise.allSettled(all.map((upload) => upload.finish({})));
    const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [contents[index]] : []));
    assert.equal(winners.length, 1);
    assert.deepEqual(visibleFiles(root), { file: winners[0] });
  });

  it('on a version holds at the start and at the end', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    const { version } = await (await uploadOf(uploads, 'file', 'old')).finish({});
    const condition = { kind: 'version', version } as const;
    const one = await uploadOf(uploads, 'file', 'new', { condition });
    const other = await uploadOf(uploads, 'file', 'newer', { condition });
    const file = await one.finish({});
    const error = await failureOf(other.finish({}));
    assert.equal(error.code, 'VERSION_MISMATCH');
    assert.equal(error.version, file.version);
    assert.equal((await failureOf(uploads.start(specOf('file', { condition })))).code, 'VERSION_MISMATCH');
    assert.equal((await failureOf(uploads.start(specOf('none', { condition })))).code, 'VERSION_MISMATCH');
    assert.deepEqual(visibleFiles(root), { file: 'new' });
    assert.equal(readFileSync(at('file'), 'utf8'), 'new');
  });

  it('on a version lets one of many through', async (t) => {
    const { uploads } = await scratchUploads(t);
    const { version } = await (await uploadOf(uploads, 'file', 'old')).finish({});
    const condition = { kind: 'version', version } as const;
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) => uploadOf(uploads, 'file', `content ${index}`, { condition })),
    );
    const results = await Promise.allSettled(all.map((upload) => upload.finish({})));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  });
});

describe('a name', () => {
  it('that is a directory, a link or below a file is not a file', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    const condition = { kind: 'any' } as const;
    const names = ['directory', 'link', 'file/below', 'link/below'];
    const begun = await Promise.all(names.map((name) => uploadOf(uploads, name, CONTENT, { condition })));
    mkdirSync(at('directory'));
    writeFileSync(at('file'), 'other');
    makeDirectory(at('elsewhere'));
    symlinkSync('elsewhere', at('link'));
    for (const upload of begun) {
      assert.equal((await failureOf(upload.finish({}))).code, 'NOT_A_FILE', upload.name);
      assert.equal((await failureOf(uploads.start(specOf(upload.name, { condition })))).code, 'NOT_A_FILE');
    }
    assert.deepEqual(visibleFiles(root), { file: 'other' });
  });

  it('on another file system is refused', async (t) => {
    const { root, reopen } = await scratchUploads(t);
    makeDirectory(`${root}/mounted`);
    const { ino } = await nodeFileSystem.lstat(`${root}/mounted`);
    const lstat = async (path: string) => {
      const stats = await nodeFileSystem.lstat(path);
      if (stats.ino === ino) stats.dev += 1n;
      return stats;
    };
    const uploads = await reopen({ fileSystem: { ...nodeFileSystem, lstat } });
    const error = await failureOf(uploads.start(specOf('mounted/file')));
    assert.equal(error.code, 'NOT_A_FILE');
    assert.match(error.message, /another file system/);
  });

  it('in a directory that the server may not write is refused with the remedy', async (t) => {
    const { at, root, uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'locked/file', CONTENT);
    await upload.sync();
    mkdirSync(at('locked'), 0o555);
    const error = await asOrdinaryUser(() => failureOf(upload.finish({})));
    assert.equal(error.code, 'PERMISSION_DENIED');
    assert.ok(!error.message.includes(root));
    chmodSync(at('locked'), 0o755);
    await upload.finish({});
    assert.deepEqual(visibleFiles(root), { 'locked/file': CONTENT });
  });
});

it('a file that another process makes at the last moment is not replaced by an upload that may not', async (t) => {
  const { at, root, reopen } = await scratchUploads(t);
  const link = async (from: string, to: string) => {
    writeFileSync(at('file'), 'made meanwhile');
    await nodeFileSystem.link(from, to);
  };
  const uploads = await reopen({ fileSystem: { ...nodeFileSystem, link } });
  const upload = await uploadOf(uploads, 'file', CONTENT);
  assert.equal((await failureOf(upload.finish({}))).code, 'ALREADY_EXISTS');
  assert.deepEqual(visibleFiles(root), { file: 'made meanwhile' });
});
