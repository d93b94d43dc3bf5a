/** What is written to a bucket, at the seam to storage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PackJobs } from '../../src/storage/pack-jobs.ts';
import type { PackFile, UploadStore, WriteCondition, WriteOutcome } from '../../src/storage/upload-store.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { namesOf } from '../support/stores/scratch-store.ts';

const ABSENT: WriteCondition = { kind: 'absent' };
const ANY: WriteCondition = { kind: 'any' };

async function scene(t: Parameters<typeof BucketScene.make>[0]) {
  const bucket = await BucketScene.make(t);
  const { store, uploads } = await bucket.store('base', true);
  assert.ok(uploads !== null);
  return { bucket, store, uploads };
}

async function write(
  uploads: UploadStore,
  ...files: readonly [name: string, content: string, condition: WriteCondition][]
): Promise<WriteOutcome[]> {
  const content = Buffer.from(files.map(([, text]) => text).join(''));
  const jobs = { size: content.length, read: async () => content } as unknown as PackJobs;
  const packed: PackFile[] = files.map(([name, text, condition]) => ({ name, size: text.length, condition }));
  return await uploads.writePack(packed, jobs);
}

function codesOf(outcomes: readonly WriteOutcome[]): string[] {
  return outcomes.map((outcome) => (outcome instanceof Error ? outcome.code : 'ok'));
}

test('files of a pack are written whole, each under its condition', async (t) => {
  const { bucket, store, uploads } = await scene(t);
  const [first] = await write(uploads, ['a', 'one', ABSENT], ['d/b', 'two', ABSENT], ['d/empty', '', ABSENT]);
  assert.ok(first !== undefined && !(first instanceof Error));
  assert.deepEqual(await bucket.keys(), ['base/a', 'base/d/b', 'base/d/empty']);
  assert.equal((await store.stat('a')).version, first.version);

  const outcomes = await write(
    uploads,
    ['a', 'x', ABSENT],
    ['a', 'x', { kind: 'version', version: 'other' }],
    ['none', 'x', { kind: 'version', version: 'other' }],
    ['a/below', 'x', ANY],
    ['../up', 'x', ANY],
    ['d/b', 'three', ANY],
    ['a', 'four!', { kind: 'version', version: first.version }],
  );
  assert.deepEqual(codesOf(outcomes), [
    'ALREADY_EXISTS',
    'VERSION_MISMATCH',
    'VERSION_MISMATCH',
    'NOT_A_FILE',
    'INVALID_NAME',
    'ok',
    'ok',
  ]);
  assert.equal((await store.stat('a')).size, 5);
  assert.equal((await store.stat('d/b')).size, 5);
});

test('of servers that make one name at the same moment, one succeeds', async (t) => {
  const { bucket, uploads } = await scene(t);
  const other = (await bucket.store('base', true)).uploads;
  assert.ok(other !== null);
  for (let race = 0; race < 20; race++) {
    const name = `race-${race}`;
    const racers: UploadStore[] = [uploads, other, uploads, other];
    const outcomes: WriteOutcome[][] = await Promise.all(
      racers.map((racer, index) => write(racer, [name, `${index}`, ABSENT])),
    );
    assert.deepEqual(codesOf(outcomes.flat()).sort(), [
      'ALREADY_EXISTS',
      'ALREADY_EXISTS',
      'ALREADY_EXISTS',
      'ok',
    ]);
  }
});

test('of servers that replace one version at the same moment, one succeeds', async (t) => {
  const { bucket, store, uploads } = await scene(t);
  const other = (await bucket.store('base', true)).uploads;
  assert.ok(other !== null);
  await write(uploads, ['a', 'begin', ABSENT]);
  for (let race = 0; race < 20; race++) {
    const { version } = await store.stat('a');
    const racers: UploadStore[] = [uploads, other];
    const outcomes = await Promise.all(
      racers.map((racer, index) => write(racer, ['a', `${race} ${index}`, { kind: 'version', version }])),
    );
    assert.deepEqual(codesOf(outcomes.flat()).sort(), ['VERSION_MISMATCH', 'ok']);
  }
});

test('a file is deleted under its condition', async (t) => {
  const { store, uploads } = await scene(t);
  await write(uploads, ['d/a', 'x', ABSENT]);
  const { version } = await store.stat('d/a');
  await assert.rejects(uploads.delete('d/a', { kind: 'version', version: 'other' }), {
    code: 'VERSION_MISMATCH',
    version,
  });
  await assert.rejects(uploads.delete('d', ANY), { code: 'NOT_A_FILE' });
  await assert.rejects(uploads.delete('none', ANY), { code: 'NOT_FOUND' });
  await uploads.delete('d/a', { kind: 'version', version });
  await assert.rejects(store.stat('d/a'), { code: 'NOT_FOUND' });
});

test('a directory is made by its marker and stays until it is deleted, empty', async (t) => {
  const { bucket, store, uploads } = await scene(t);
  await uploads.makeDirectory('d/e');
  await uploads.makeDirectory('d/e');
  assert.deepEqual(await namesOf(store.list('', { recursive: true })), ['d/', 'd/e/']);
  await write(uploads, ['d/e/a', 'x', ABSENT], ['f', 'x', ABSENT]);
  await assert.rejects(uploads.makeDirectory('f'), { code: 'NOT_A_FILE' });
  await assert.rejects(uploads.makeDirectory('f/g'), { code: 'NOT_A_FILE' });
  await assert.rejects(uploads.deleteDirectory('d/e'), { code: 'NOT_EMPTY' });
  await assert.rejects(uploads.deleteDirectory('d'), { code: 'NOT_EMPTY' });
  await assert.rejects(uploads.deleteDirectory('f'), { code: 'NOT_A_FILE' });
  await uploads.delete('d/e/a', ANY);
  await uploads.deleteDirectory('d/e');
  await uploads.deleteDirectory('d');
  assert.deepEqual(await bucket.keys(), ['base/f']);
});

test('nothing of the probes at start is left', async (t) => {
  const { bucket } = await scene(t);
  assert.deepEqual(await bucket.keys(), []);
});
