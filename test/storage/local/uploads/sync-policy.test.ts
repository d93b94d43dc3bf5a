/** When written bytes become durable, and what a sync that fails means. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { writeFully } from '../../../../src/base/files/write-fully.ts';
import { nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import { decodeRecords } from '../../../../src/storage/local/uploads/journal/journal-record.ts';
import { JournalState } from '../../../../src/storage/local/uploads/journal/journal-state.ts';
import type { UploadOptions } from '../../../../src/storage/local/uploads/options.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { failureOf } from '../../../support/stores/scratch-store.ts';
import { until } from '../../../support/until.ts';
import { type Fault, FaultyFileSystem } from './faulty-file-system.ts';
import {
  descriptorOf,
  scratchUploads,
  send,
  specOf,
  uploadOf,
  visibleFiles,
  writeChunk,
} from './scratch-uploads.ts';
import { writtenEnd } from './written-end.ts';

async function counted(t: TestContext, options: Partial<UploadOptions>) {
  const faults: (Fault | undefined)[] = [];
  const faulty = new FaultyFileSystem((_, call) => (call === 'fdatasync' ? faults.shift() : undefined));
  const scratch = await scratchUploads(t, { ...options, fileSystem: faulty.fileSystem });
  const syncs = () => faulty.calls.filter(({ call }) => call === 'fdatasync' || call === 'fsync').length;
  return { ...scratch, faults, syncs };
}

const FAILED: Fault = { kind: 'errno', errno: 'EIO' };

describe('the policy', () => {
  it('always commits what is written without being asked', async (t) => {
    const { uploads } = await scratchUploads(t, { sync: 'always' });
    const upload = await uploads.start(specOf('file'));
    const writer = await upload.openWriter(assert.fail);
    for (let offset = 0; offset < 10; offset += 1) await writeChunk(upload, writer, offset, 'x');
    await until('all is committed', () => upload.state().committedSize === 10);
    await writer.close();
  });

  it('always shares a sync between chunks that come while one runs', async (t) => {
    const { uploads, syncs } = await counted(t, { sync: 'always' });
    const upload = await uploads.start(specOf('file'));
    const writer = await upload.openWriter(assert.fail);
    const before = syncs();
    for (let offset = 0; offset < 100; offset += 1)
      upload.written({ start: offset, end: offset + 1, crc32: 0 });
    await upload.sync();
    // One of the first chunk, one of all others: each the data and its record.
    assert.equal(syncs() - before, 4);
    await writer.close();
  });

  it('batched commits after so many bytes', async (t) => {
    const { uploads } = await scratchUploads(t, { syncBytes: 10 });
    const upload = await uploads.start(specOf('file'));
    const writer = await upload.openWriter(assert.fail);
    await writeChunk(upload, writer, 0, 'nine char');
    assert.equal(upload.state().committedSize, 0);
    await writeChunk(upload, writer, 9, 's');
    await until('the batch is committed', () => upload.state().committedSize === 10);
    await writer.close();
  });

  it('batched commits after so long', async (t) => {
    const { uploads } = await scratchUploads(t, { syncIntervalMs: 10 });
    const upload = await uploads.start(specOf('file'));
    const writer = await upload.openWriter(assert.fail);
    await writeChunk(upload, writer, 0, 'content');
    await until('it is committed', () => upload.state().committedSize === 7);
    await writer.close();
  });

  it('batched commits what the last writer left', async (t) => {
    const { uploads } = await scratchUploads(t);
    const upload = await uploadOf(uploads, 'file', 'content');
    await until('it is committed', () => upload.state().committedSize === 7);
  });

  it('none syncs nothing, and a later process has what was committed', async (t) => {
    const { root, uploads, syncs, reopen } = await counted(t, { sync: 'none' });
    const upload = await uploadOf(uploads, 'a/file', 'content');
    await upload.sync();
    const found = await (await reopen()).find(upload.id);
    assert.equal(found.state().committedSize, 7);
    await found.finish({ size: 7 });
    assert.equal(syncs(), 0);
    assert.deepEqual(visibleFiles(root), { 'a/file': 'content' });
  });
});

describe('a failed sync', () => {
  it('is told to every writer, once, and to who waits for it', async (t) => {
    const { uploads, faults } = await counted(t, {});
    const upload = await uploads.start(specOf('file'));
    const errors: Error[] = [];
    const writers = await Promise.all([1, 2].map(() => upload.openWriter((error) => errors.push(error))));
    await writeChunk(upload, writers[0] ?? assert.fail(), 0, 'content');
    faults.push(FAILED);
    const failures = await Promise.all([failureOf(upload.sync()), failureOf(upload.sync())]);
    for (const { code } of failures) assert.equal(code, 'WRITE_FAILED');
    assert.equal(errors.length, 2);
    await Promise.all(writers.map((writer) => writer.close()));
    await upload.sync();
    assert.equal(errors.length, 2);
  });

  it('takes back what was not committed, and nothing else', async (t) => {
    const { root, uploads, faults } = await counted(t, {});
    const upload = await uploadOf(uploads, 'file', 'abc');
    await upload.sync();
    faults.push(FAILED);
    await send(upload, 3, 'def');
    await failureOf(upload.sync()).catch(() => undefined);
    assert.equal(upload.state().committedSize, 3);
    assert.equal(writtenEnd(upload, 0), 3);
    await send(upload, 3, 'xyz');
    assert.equal((await failureOf(upload.finish({}))).code, 'CONTENT_MISMATCH');
    await upload.finish({ size: 6 });
    assert.deepEqual(visibleFiles(root), { file: 'abcxyz' });
  });

  it('of the journal takes back the same, and a new journal is written', async (t) => {
    const { root, uploads, faults, reopen } = await counted(t, {});
    const upload = await uploadOf(uploads, 'file', 'abc');
    await upload.sync();
    faults.push(undefined, FAILED);
    const writer = await upload.openWriter(() => undefined);
    await writeChunk(upload, writer, 3, 'def');
    assert.equal((await failureOf(upload.sync())).code, 'WRITE_FAILED');
    await writer.close();
    assert.equal(upload.state().committedSize, 3);
    // Before bytes change that the record names which may be there.
    await (await upload.openWriter(assert.fail)).close();
    const journal = readFileSync(join(root, '.sluice-uploads', `${upload.id}.journal`));
    assert.equal(JournalState.of(decodeRecords(journal).records)?.committed.end, 3);
    await send(upload, 3, 'xyz');
    await upload.sync();
    const found = await (await reopen()).find(upload.id);
    assert.equal(found.state().committedSize, 6);
    await found.finish({ size: 6 });
    assert.deepEqual(visibleFiles(root), { file: 'abcxyz' });
  });

  it('lets no new writer in while an old one is open, nor counts what that one notes', async (t) => {
    const { uploads, faults } = await counted(t, {});
    const upload = await uploads.start(specOf('file'));
    const old = await upload.openWriter(() => undefined);
    await writeChunk(upload, old, 0, 'abc');
    faults.push(FAILED);
    await failureOf(upload.sync());
    upload.written({ start: 3, end: 6, crc32: 0 });
    assert.equal(writtenEnd(upload, 3), 3);
    let isLetIn = false;
    const opening = upload.openWriter(assert.fail).then((writer) => {
      isLetIn = true;
      return writer;
    });
    await upload.sync();
    assert.equal(isLetIn, false);
    await old.close();
    const writer = await opening;
    await writeChunk(upload, writer, 0, 'abc');
    await upload.sync();
    assert.equal(upload.state().committedSize, 3);
    await writer.close();
  });
});

it('a journal that has grown long is written anew, and says the same', async (t) => {
  const { root, uploads, reopen } = await scratchUploads(t, { sync: 'none' });
  const content = Buffer.alloc(80_000, 'sluice');
  const upload = await uploads.start(specOf('file'));
  const writer = await upload.openWriter(assert.fail);
  await writeFully((piece, at) => nodeFileSystem.write(descriptorOf(writer), piece, at), content, 0);
  const path = join(root, '.sluice-uploads', `${upload.id}.journal`);
  const sizes: number[] = [];
  // A record is long when its ranges do not touch: first the even bytes of a block, then the odd ones.
  for (let start = 0; start < content.length; start += 1000) {
    for (const first of [start, start + 1]) {
      for (let offset = first; offset < start + 1000; offset += 2) {
        upload.written({
          start: offset,
          end: offset + 1,
          crc32: crc32(content.subarray(offset, offset + 1)),
        });
      }
      await upload.sync();
      sizes.push(statSync(path).size);
    }
  }
  await writer.close();
  assert.ok(Math.max(...sizes) < 1_200_000);
  assert.ok(
    sizes.some((size, index) => size < (sizes[index - 1] ?? 0)),
    'it was written anew',
  );
  const found = await (await reopen()).find(upload.id);
  assert.equal((await found.finish({ size: content.length, crc32: crc32(content) })).size, content.length);
});
