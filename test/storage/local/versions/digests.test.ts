/** SHA-256 of files: computed once for each content, when it is asked for, and never told of another. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TransferError } from '../../../../src/base/errors.ts';
import { type LocalStore, openLocalStore } from '../../../../src/storage/local/local-store.ts';
import { nodeFileSystem } from '../../../../src/storage/local/uploads/disk/file-system.ts';
import { hashHere } from '../../../../src/storage/local/uploads/disk/read-pieces.ts';
import type { VersionBy } from '../../../../src/storage/local/versions/versions.ts';
import type { UploadStore } from '../../../../src/storage/upload-store.ts';
import { crc32 } from '../../../../src/wire/crc32.ts';
import { scratchDirectory, scratchRoot } from '../../../support/scratch.ts';
import { entriesIn, failureOf } from '../../../support/stores/scratch-store.ts';
import { until } from '../../../support/until.ts';
import { LAX_OPTIONS, send } from '../uploads/scratch-uploads.ts';

function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** A store whose computations are counted, and wait while they are held. */
class Hashing {
  readonly root: string;
  runs = 0;
  #hold: Promise<void> | undefined;

  constructor(root: string) {
    this.root = root;
  }

  async open(t: TestContext, versionBy: VersionBy = 'identity'): Promise<LocalStore> {
    const hashNow = hashHere(nodeFileSystem);
    const hash = async (fd: number, size: number) => {
      this.runs += 1;
      const result = await hashNow(fd, size);
      await this.#hold;
      return result;
    };
    const store = await openLocalStore(this.root, { versionBy, hash });
    t.after(() => store.close());
    return store;
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.root, name), content);
  }

  /** Until the result is called. */
  hold(): () => void {
    let release: () => void = () => {};
    this.#hold = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }
}

function hashing(t: TestContext): Hashing {
  return new Hashing(scratchRoot(t));
}

async function versionOf(store: LocalStore, name: string, ifMatch = ''): Promise<string> {
  const file = await store.open(name, { ifMatch });
  await file.close();
  return file.identity.version;
}

async function uploadsOf(t: TestContext, store: LocalStore): Promise<UploadStore> {
  const uploads = await store.openUploads(LAX_OPTIONS);
  t.after(() => uploads.close());
  return uploads;
}

for (const by of ['identity', 'size-mtime', 'digest'] as const) {
  test(`a file is opened by its digest, its identity, or size and time, where versions are by ${by}`, async (t) => {
    const files = hashing(t);
    files.write('a', 'content');
    const asked = [digestOf('content'), digestOf('content').toUpperCase().replace('SHA', 'sha')];
    for (const other of ['identity', 'size-mtime'] as const) {
      asked.push((await (await files.open(t, other)).stat('a')).version);
    }
    const store = await files.open(t, by);
    for (const version of asked) assert.equal(await versionOf(store, 'a', version), version);
    for (const version of [digestOf('other'), 'sha256:', 'm7-1', 'f'.repeat(32)]) {
      assert.notEqual(await versionOf(store, 'a', version), version);
    }
  });
}

test('callers that ask at the same time share one computation, and later ones its result', async (t) => {
  const files = hashing(t);
  files.write('a', 'content');
  const store = await files.open(t);
  const release = files.hold();
  const asking = Array.from({ length: 20 }, () => store.stat('a', { digest: true }));
  await until('it is computed', () => files.runs > 0);
  release();
  for (const { digest } of await Promise.all(asking)) assert.equal(digest, digestOf('content'));
  assert.equal((await store.stat('a')).digest, digestOf('content'));
  assert.equal(await versionOf(store, 'a', digestOf('content')), digestOf('content'));
  assert.equal(files.runs, 1);
});

test('a computation goes on when its caller leaves; one that has not begun is dropped', async (t) => {
  const files = hashing(t);
  for (const name of ['a', 'b', 'c']) files.write(name, name);
  const store = await files.open(t);
  const release = files.hold();
  const caller = new AbortController();
  const asking = ['a', 'b', 'c'].map((name) => store.stat(name, { digest: true, signal: caller.signal }));
  await until('two are computed', () => files.runs === 2);
  caller.abort(new TransferError('CANCELLED', 'left'));
  for (const each of asking) await assert.rejects(each, /left/);
  release();
  // Whoever asks for the two that were begun has the results of those.
  for (const name of ['c', 'a', 'b']) {
    assert.equal((await store.stat(name, { digest: true })).digest, digestOf(name));
  }
  assert.equal(files.runs, 3);
});

test('a file that changes while it is read has no digest', async (t) => {
  const files = hashing(t);
  files.write('a', 'content');
  const store = await files.open(t);
  const release = files.hold();
  const asking = store.stat('a', { digest: true });
  await until('it is computed', () => files.runs > 0);
  files.write('a', 'another');
  release();
  assert.equal((await failureOf(asking)).code, 'FILE_CHANGED');
  assert.equal((await store.stat('a')).digest, undefined);
  assert.equal((await store.stat('a', { digest: true })).digest, digestOf('another'));
});

test('a later process knows what did not change, and only that', async (t) => {
  const files = hashing(t);
  const path = join(scratchDirectory(t), 'state', 'digests');
  for (const name of ['same', 'changed']) files.write(name, 'content');
  const first = await files.open(t);
  await first.keepDigestsAt(path);
  for (const name of ['same', 'changed']) await first.stat(name, { digest: true });
  await first.close();

  files.write('changed', 'another');
  const second = await files.open(t);
  await second.keepDigestsAt(path);
  assert.equal((await second.stat('same')).digest, digestOf('content'));
  assert.equal((await second.stat('changed')).digest, undefined);
  assert.equal(files.runs, 2);
});

test('by digest, a listing tells what is known, else size and time, and computes nothing', async (t) => {
  const files = hashing(t);
  for (const name of ['known', 'new']) files.write(name, 'content');
  const store = await files.open(t, 'digest');
  assert.equal(await versionOf(store, 'known'), digestOf('content'));
  const versions: string[] = [];
  for await (const { version } of entriesIn(store.list('', { recursive: false }))) versions.push(version);
  assert.equal(versions[0], digestOf('content'));
  assert.match(versions[1] ?? '', /^m7-\d+$/);
  assert.equal(files.runs, 1);
  // Both are good for opening.
  assert.equal(await versionOf(store, 'known', versions[0]), versions[0]);
  assert.equal(await versionOf(store, 'new', versions[1]), versions[1]);
  assert.equal(files.runs, 1);
});

test('an upload that was checked by its SHA-256 is known from then on, until it is deleted', async (t) => {
  const files = hashing(t);
  const store = await files.open(t, 'digest');
  const uploads = await uploadsOf(t, store);
  const content = Buffer.from('content');
  const sha256 = createHash('sha256').update(content).digest();
  const upload = await uploads.start({ name: 'a', expected: { sha256 }, condition: { kind: 'any' } });
  await send(upload, 0, content);
  const file = await upload.finish({ size: content.length, crc32: crc32(content) });

  assert.equal(file.version, digestOf('content'));
  assert.equal((await store.stat('a')).digest, digestOf('content'));
  await uploads.delete('a', { kind: 'version', version: digestOf('content') });
  assert.equal(files.runs, 0);
});

for (const by of ['identity', 'digest'] as const) {
  test(`an upload replaces, and a delete removes, only the digest that is asked for (${by})`, async (t) => {
    const files = hashing(t);
    const store = await files.open(t, by);
    const uploads = await uploadsOf(t, store);
    const spec = (content: string) => ({
      name: 'a',
      expected: { size: 0 },
      condition: { kind: 'version', version: digestOf(content) } as const,
    });
    files.write('a', 'one');
    const refused = await failureOf(uploads.start(spec('two')));
    assert.equal(refused.code, 'VERSION_MISMATCH');
    const begun = await uploads.start(spec('one'));
    files.write('a', 'two');
    assert.equal((await failureOf(begun.finish({}))).code, 'VERSION_MISMATCH');
    await (await uploads.start(spec('two'))).finish({});
    assert.equal(readFileSync(join(files.root, 'a'), 'utf8'), '');

    files.write('a', 'three');
    const stale = uploads.delete('a', { kind: 'version', version: digestOf('two') });
    assert.equal((await failureOf(stale)).code, 'VERSION_MISMATCH');
    await uploads.delete('a', { kind: 'version', version: digestOf('three') });
    assert.equal((await failureOf(store.stat('a'))).code, 'NOT_FOUND');
  });
}

test('the digests of a store that is written to are kept beside its uploads', async (t) => {
  const files = hashing(t);
  files.write('a', 'content');
  const first = await files.open(t);
  const uploads = await first.openUploads(LAX_OPTIONS);
  await first.stat('a', { digest: true });
  await uploads.close();
  await first.close();

  const second = await files.open(t);
  await uploadsOf(t, second);
  assert.equal((await second.stat('a')).digest, digestOf('content'));
});
