/** The limits that uploads share, and expiry. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { failureOf } from '../../../support/stores/scratch-store.ts';
import { until } from '../../../support/until.ts';
import {
  scratchUploads,
  send,
  specOf,
  uploadEntries,
  uploadOf,
  visibleFiles,
  writeChunk,
} from './scratch-uploads.ts';

describe('the limit', () => {
  it('of one file holds for what is declared and for what is sent', async (t) => {
    const { uploads } = await scratchUploads(t, { maxSizeBytes: 10 });
    assert.equal(
      (await failureOf(uploads.start(specOf('file', { expected: { size: 11 } })))).code,
      'TOO_LARGE',
    );
    const upload = await uploads.start(specOf('file', { expected: { size: 10 } }));
    upload.checkQuota(0, 10);
    assert.throws(() => upload.checkQuota(1, 10), { code: 'TOO_LARGE' });
  });

  it('that was declared is not exceeded', async (t) => {
    const { uploads } = await scratchUploads(t);
    const upload = await uploads.start(specOf('file', { expected: { size: 10 } }));
    upload.checkQuota(9, 1);
    assert.throws(() => upload.checkQuota(9, 2), { code: 'CONTENT_MISMATCH' });
  });

  it('of open uploads counts those of earlier processes, and not those that ended', async (t) => {
    const { uploads, reopen } = await scratchUploads(t, { maxOpen: 3 });
    const one = await uploadOf(uploads, 'one', 'content');
    const two = await uploadOf(uploads, 'two', 'content');
    await uploadOf(uploads, 'three', 'content');
    assert.equal((await failureOf(uploads.start(specOf('four')))).code, 'RESOURCE_EXHAUSTED');
    await one.finish({});
    await two.abort();
    await uploads.close();
    const later = await reopen();
    await uploadOf(later, 'four', 'content');
    await uploadOf(later, 'five', 'content');
    assert.equal((await failureOf(later.start(specOf('six')))).code, 'RESOURCE_EXHAUSTED');
  });

  it('of open uploads is not used up by those without a byte, nor over a restart', async (t) => {
    const clock = new FakeClock(Date.now());
    const { uploads, reopen } = await scratchUploads(t, { maxOpen: 3, now: clock.nowMs });
    const [oldest] = [
      await uploads.start(specOf('one'), 'a'),
      await uploads.start(specOf('two'), 'a'),
      await uploads.start(specOf('three'), 'a'),
    ];
    assert.equal((await failureOf(uploads.start(specOf('four'), 'a'))).code, 'RESOURCE_EXHAUSTED');
    clock.pass(11_000);
    await uploads.start(specOf('four'), 'a');
    assert.equal((await failureOf(uploads.find(oldest.id))).code, 'UPLOAD_NOT_FOUND');
    await uploads.close();
    const later = await reopen();
    for (const name of ['five', 'six', 'seven']) {
      clock.pass(11_000);
      await later.start(specOf(name), 'a');
    }
  });

  it('of open uploads is shared by address: the emptiest of the one with the most makes room', async (t) => {
    const { uploads, reopen } = await scratchUploads(t, { maxOpen: 4 });
    const full = await uploads.start(specOf('full'), 'a');
    await send(full, 0, 'content');
    const emptier = await uploads.start(specOf('emptier'), 'a');
    await send(emptier, 0, 'c');
    const inUse = await uploads.start(specOf('in-use'), 'a');
    const writer = await inUse.openWriter(assert.fail);
    await send(await uploads.start(specOf('other'), 'b'), 0, 'c');
    assert.equal((await failureOf(uploads.start(specOf('more'), 'a'))).code, 'RESOURCE_EXHAUSTED');
    await send(await uploads.start(specOf('late'), 'c'), 0, 'c');
    const gone = await failureOf(uploads.find(emptier.id));
    assert.equal(gone.code, 'UPLOAD_NOT_FOUND');
    for (const kept of [full, inUse]) await uploads.find(kept.id);
    await writer.close();
    await uploads.close();
    // Nobody knows any more whose they are: together they count as those of one address.
    const later = await reopen();
    await later.start(specOf('new'), 'a');
    assert.equal((await failureOf(later.find(inUse.id))).code, 'UPLOAD_NOT_FOUND');
    await later.find(full.id);
  });

  it('of all bytes counts what is received, not what is declared', async (t) => {
    const { uploads, reopen } = await scratchUploads(t, { maxTotalBytes: 100 });
    await uploads.start(specOf('declared', { expected: { size: 100 } }));
    const more = uploads.start(specOf('more', { expected: { size: 101 } }));
    assert.equal((await failureOf(more)).code, 'TOO_LARGE');
    const upload = await uploads.start(specOf('other', { expected: { size: 100 } }));
    upload.checkQuota(0, 100);
    await send(upload, 0, 'x'.repeat(60));
    const another = await uploads.start(specOf('undeclared'));
    another.checkQuota(0, 40);
    assert.throws(() => another.checkQuota(0, 41), { code: 'DISK_FULL' });
    await upload.sync();
    await uploads.close();
    const later = await reopen();
    await send(await later.start(specOf('rest')), 0, 'x'.repeat(40));
    assert.equal((await failureOf(later.start(specOf('none')))).code, 'DISK_FULL');
  });

  it('of free space is looked at at the start and while bytes come', async (t) => {
    let freeBytes = 1000;
    const clock = new FakeClock(Date.now());
    const fileSystem = { ...nodeFileSystem, freeBytes: async () => freeBytes };
    const { uploads } = await scratchUploads(t, { minFreeBytes: 900, fileSystem, now: clock.nowMs });
    assert.equal(
      (await failureOf(uploads.start(specOf('file', { expected: { size: 101 } })))).code,
      'DISK_FULL',
    );
    const upload = await uploads.start(specOf('file'));
    upload.checkQuota(0, 100);
    assert.throws(() => upload.checkQuota(0, 101), { code: 'DISK_FULL' });
    await send(upload, 0, 'x'.repeat(60));
    assert.throws(() => upload.checkQuota(60, 41), { code: 'DISK_FULL' });
    freeBytes = 2000;
    clock.pass(2000);
    const hasRoom = () => {
      try {
        upload.checkQuota(60, 41);
        return true;
      } catch {
        return false;
      }
    };
    await until('the new room is seen', hasRoom);
  });

  it('of separate parts refuses one more, and takes what closes a gap', async (t) => {
    const { uploads } = await scratchUploads(t, { sync: 'none' });
    const upload = await uploads.start(specOf('file', { expected: { size: 10_000 } }));
    const writer = await upload.openWriter(assert.fail);
    for (let part = 0; part < 1024; part += 1) await writeChunk(upload, writer, part * 2, 'x');
    assert.throws(() => upload.checkQuota(5000, 1), { code: 'RESOURCE_EXHAUSTED' });
    await writeChunk(upload, writer, 1, 'x');
    await writeChunk(upload, writer, 5000, 'x');
    await writer.close();
    await upload.sync();
    assert.equal(upload.state().parts.length, 1024);
  });
});

describe('an upload that gets no byte for the time of expiry', () => {
  const expiryMs = 1_000_000;

  it('is gone, its files too, and its writers are told', async (t) => {
    const clock = new FakeClock(Date.now());
    const { root, uploads } = await scratchUploads(t, { expiryMs, now: clock.nowMs });
    const upload = await uploads.start(specOf('file'));
    const errors: Error[] = [];
    const writer = await upload.openWriter((error) => errors.push(error));
    clock.pass(expiryMs / 2);
    await writeChunk(upload, writer, 0, 'content');
    clock.pass(expiryMs / 2 + 1);
    await uploads.find(upload.id);
    clock.pass(expiryMs / 2);
    assert.equal((await failureOf(uploads.find(upload.id))).code, 'UPLOAD_NOT_FOUND');
    assert.deepEqual(uploadEntries(root), []);
    assert.equal(errors.length, 1);
    await writer.close();
  });

  it('is removed by a later process that nobody asks for it', async (t) => {
    const clock = new FakeClock(Date.now());
    const { root, uploads, reopen } = await scratchUploads(t, { expiryMs, now: clock.nowMs });
    await uploadOf(uploads, 'open', 'content');
    await (await uploadOf(uploads, 'finished', 'content')).finish({});
    await uploads.close();
    clock.pass(expiryMs - 10_000);
    const later = await reopen();
    await later.start(specOf('new'));
    assert.equal(uploadEntries(root).length, 5);
    await later.close();
    clock.pass(20_000);
    const evenLater = await reopen();
    await evenLater.start(specOf('newer'));
    assert.equal(uploadEntries(root).length, 4);
    assert.deepEqual(visibleFiles(root), { finished: 'content' });
  });

  it('is gone after a minute where it never got one, unless a call works on it or asks for it', async (t) => {
    const clock = new FakeClock(Date.now());
    const { root, uploads, reopen } = await scratchUploads(t, { expiryMs, now: clock.nowMs });
    const [left, asked, inUse] = [
      await uploads.start(specOf('left')),
      await uploads.start(specOf('asked')),
      await uploads.start(specOf('in-use')),
    ];
    const writer = await inUse.openWriter(assert.fail);
    clock.pass(50_000);
    await uploads.find(asked.id);
    clock.pass(11_000);
    assert.equal((await failureOf(uploads.find(left.id))).code, 'UPLOAD_NOT_FOUND');
    for (const { id } of [asked, inUse]) await uploads.find(id);
    await writer.close();
    await uploads.close();
    clock.pass(61_000);
    const later = await reopen();
    await until('a later process has removed them', () => uploadEntries(root).length === 0);
    assert.equal((await failureOf(later.find(inUse.id))).code, 'UPLOAD_NOT_FOUND');
  });

  it('tells when that will be', async (t) => {
    const { uploads } = await scratchUploads(t, { expiryMs, now: new FakeClock(5000).nowMs });
    const upload = await uploads.start(specOf('file'));
    assert.equal(upload.state().expiresMs, 5000 + expiryMs);
  });
});

it('what a crash left half made is removed once it is old', async (t) => {
  const { writeFileSync } = await import('node:fs');
  const clock = new FakeClock(Date.now());
  const { root, uploads, reopen } = await scratchUploads(t, { now: clock.nowMs });
  await uploads.start(specOf('file'));
  await uploads.close();
  const id = '0123456789abcdef'.repeat(2);
  for (const entry of [
    `${id}.part`,
    `${id.replace('0', '1')}.journal`,
    `${id.replace('0', '2')}.new`,
    'not-ours',
  ]) {
    writeFileSync(`${root}/.sluice-uploads/${entry}`, 'torn');
  }
  const later = await reopen();
  await later.start(specOf('other'));
  assert.equal(uploadEntries(root).length, 8);
  await later.close();
  clock.pass(90_000_000);
  const evenLater = await reopen();
  await evenLater.start(specOf('third'));
  assert.deepEqual(
    uploadEntries(root).filter((entry) => !/^[0-9a-f]{32}\.(?:part|journal)$/.test(entry)),
    ['not-ours'],
  );
  assert.equal(uploadEntries(root).length, 3);
});
