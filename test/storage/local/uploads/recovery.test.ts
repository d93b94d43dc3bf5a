/** What a later process believes of what it finds: the journal, as far as it is whole, and bytes that are right. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { failureOf, storeByPath } from '../../../support/stores/scratch-store.ts';
import {
  LAX_OPTIONS,
  makeDirectory,
  scratchUploads,
  send,
  specOf,
  uploadEntries,
  uploadOf,
  visibleFiles,
} from './scratch-uploads.ts';

/** Three committed parts, and the paths of their upload's files. */
async function threeParts(t: TestContext) {
  const scratch = await scratchUploads(t, { sync: 'none' });
  const upload = await scratch.uploads.start(specOf('file', { expected: { size: 30 } }));
  for (const [offset, text] of [
    [0, 'aaaaaaaaaa'],
    [10, 'bbbbbbbbbb'],
    [20, 'cccccccccc'],
  ] as const) {
    await send(upload, offset, text);
    await upload.sync();
  }
  await scratch.uploads.close();
  const path = (kind: string) => `${scratch.root}/.sluice-uploads/${upload.id}.${kind}`;
  return { ...scratch, id: upload.id, journal: path('journal'), part: path('part') };
}

describe('a later process', () => {
  it('believes the whole records of a journal that is torn at any byte', async (t) => {
    const { id, journal, reopen } = await threeParts(t);
    const whole = readFileSync(journal);
    const sizes = new Set<number>();
    for (let size = whole.length; size >= 0; size -= 1) {
      truncateSync(journal, size);
      const uploads = await reopen();
      try {
        const { committedSize } = (await uploads.find(id)).state();
        sizes.add(committedSize);
      } catch (reason) {
        assert.equal((reason as { code?: string }).code, 'UPLOAD_NOT_FOUND');
      }
      await uploads.close();
    }
    assert.deepEqual([...sizes], [30, 20, 10, 0]);
  });

  it('goes on behind a torn record', async (t) => {
    const { id, journal, root, reopen } = await threeParts(t);
    truncateSync(journal, readFileSync(journal).length - 1);
    const uploads = await reopen();
    const upload = await uploads.find(id);
    assert.equal(upload.state().committedSize, 20);
    await send(upload, 20, 'dddddddddd');
    await upload.sync();
    await uploads.close();
    await (await (await reopen()).find(id)).finish({});
    assert.deepEqual(visibleFiles(root), { file: 'aaaaaaaaaabbbbbbbbbbdddddddddd' });
  });

  it('forgets a range whose bytes are others than were journalled', async (t) => {
    const { id, part, root, reopen } = await threeParts(t);
    writeFileSync(part, `${'a'.repeat(10)}${'b'.repeat(10)}${'\0'.repeat(10)}`);
    const upload = await (await reopen()).find(id);
    assert.equal(upload.state().committedSize, 20);
    await send(upload, 20, 'cccccccccc');
    await upload.finish({});
    assert.deepEqual(visibleFiles(root), { file: 'aaaaaaaaaabbbbbbbbbbcccccccccc' });
  });

  it('forgets a range that the part is too short for, whatever its size says', async (t) => {
    const { id, part, reopen } = await threeParts(t);
    truncateSync(part, 25);
    assert.equal((await (await reopen()).find(id)).state().committedSize, 20);
  });

  it('does not know an upload without its part', async (t) => {
    const { id, part, root, reopen } = await threeParts(t);
    renameSync(part, `${part}.aside`);
    assert.equal((await failureOf((await reopen()).find(id))).code, 'UPLOAD_NOT_FOUND');
    assert.deepEqual(uploadEntries(root), [`${id}.part.aside`]);
  });
});

it('a large upload is recovered and published', async (t) => {
  const { root, uploads, reopen } = await scratchUploads(t, { syncBytes: 20_000_000 });
  const content = Buffer.alloc(50_000_000, 'sluice it');
  const upload = await uploads.start(
    specOf('file', { expected: { size: content.length, crc32: crc32(content) } }),
  );
  for (let offset = 0; offset < content.length; offset += 1_000_000) {
    await send(upload, offset, content.subarray(offset, offset + 1_000_000));
  }
  await uploads.close();
  const found = await (await reopen()).find(upload.id);
  assert.equal(found.state().committedSize, content.length);
  await found.finish({});
  assert.ok(readFileSync(`${root}/file`).equals(content));
});

it('uploads work where directories are known by path', async (t) => {
  const root = scratchRoot(t);
  const at = (name: string) => join(root, name);
  const store = await storeByPath(root);
  t.after(() => store.close());
  const uploads = await store.openUploads(LAX_OPTIONS);
  const upload = await uploadOf(uploads, 'a/b/file', 'content');
  assert.equal((await upload.finish({})).size, 7);
  await uploads.close();
  const again = await store.openUploads(LAX_OPTIONS);
  t.after(() => again.close());
  assert.equal((await (await again.find(upload.id)).finish({})).size, 7);
  await again.delete('a/b/file', { kind: 'any' });
  makeDirectory(at('c'));
  assert.deepEqual(visibleFiles(root), {});
});
