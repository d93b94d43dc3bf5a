/** What a version is, by the setting of the store. */
import assert from 'node:assert/strict';
import { chmodSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLocalStore } from '../../../../src/storage/local/local-store.ts';
import type { VersionBy } from '../../../../src/storage/local/versions/versions.ts';
import type { UploadStore } from '../../../../src/storage/upload-store.ts';
import { scratchRoot } from '../../../support/scratch.ts';
import { entriesIn, failureOf } from '../../../support/stores/scratch-store.ts';
import { LAX_OPTIONS } from '../uploads/scratch-uploads.ts';

async function storeOf(t: TestContext, versionBy: VersionBy) {
  const root = scratchRoot(t);
  const store = await openLocalStore(root, { versionBy });
  const uploads = await store.openUploads(LAX_OPTIONS);
  t.after(async () => {
    await uploads.close();
    await store.close();
  });
  return { store, uploads, at: (name: string) => join(root, name) };
}

function upload(uploads: UploadStore, name: string, version?: string) {
  const condition =
    version === undefined ? ({ kind: 'any' } as const) : ({ kind: 'version', version } as const);
  return uploads.start({ name, expected: { size: 0 }, condition, modifiedMs: 1_700_000_000_123 });
}

test('size and time are the same version in stat, open, listing and the result of an upload', async (t) => {
  const { at, store, uploads } = await storeOf(t, 'size-mtime');
  const { version } = await (await upload(uploads, 'a')).finish({});

  assert.equal(version, 'm0-1700000000123000000');
  assert.equal((await store.stat('a')).version, version);
  for await (const entry of entriesIn(store.list('', { recursive: false })))
    assert.equal(entry.version, version);
  const file = await store.open('a');
  assert.equal(file.identity.version, version);
  await file.close();

  // A change of mode is none of the content.
  chmodSync(at('a'), 0o600);
  assert.equal((await store.stat('a')).version, version);
  utimesSync(at('a'), 1, 2);
  assert.equal((await store.stat('a')).version, 'm0-2000000000');
});

test('a write under the same size and time is still seen by whoever is reading the file', async (t) => {
  const { at, store } = await storeOf(t, 'size-mtime');
  writeFileSync(at('a'), 'one');
  utimesSync(at('a'), 1, 2);
  const file = await store.open('a');
  t.after(() => file.close());
  writeFileSync(at('a'), 'two');
  utimesSync(at('a'), 1, 2);
  assert.equal((await store.stat('a')).version, file.identity.version);
  assert.equal((await failureOf(file.verifyUnchanged())).code, 'FILE_CHANGED');
});

for (const by of ['identity', 'size-mtime'] as const) {
  test(`an upload and a delete take a version by ${by}, and the other form too`, async (t) => {
    const { at, store, uploads } = await storeOf(t, by);
    for (const versionOf of [async () => (await store.stat('a')).version, async () => 'm3-2000000000']) {
      writeFileSync(at('a'), 'one');
      utimesSync(at('a'), 1, 2);
      await (await upload(uploads, 'a', await versionOf())).finish({});
      assert.equal((await failureOf(upload(uploads, 'a', 'm3-2000000000'))).code, 'VERSION_MISMATCH');
      const stale = uploads.delete('a', { kind: 'version', version: 'm3-2000000000' });
      assert.equal((await failureOf(stale)).code, 'VERSION_MISMATCH');
      await uploads.delete('a', { kind: 'version', version: (await store.stat('a')).version });
    }
  });
}
