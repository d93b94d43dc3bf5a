/** What a run leaves on disk for a later one. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../../src/base/logger.ts';
import {
  isRecordOf,
  type UploadKey,
  type UploadRecord,
  UploadRecords,
} from '../../../src/client/upload/sources/upload-record.ts';
import { scratchDirectory } from '../fixtures.ts';

const KEY: UploadKey = {
  path: '/srv/a',
  target: 'localhost:1',
  name: 'a',
  overwrite: 'OVERWRITE_NEVER',
  ifMatch: '',
  sha256: '',
  crc32: undefined,
};

const SOURCE = { path: '/srv/a', ino: '2', size: 3, mtimeNs: '4', ctimeNs: '5' };

const DAY_MS = 86_400_000;

function record(uploadId = 'u', expiresMs = Date.now() + DAY_MS): UploadRecord {
  return { uploadId, source: SOURCE, attributes: {}, maxChunkBytes: 1000, acceptsGzip: true, expiresMs };
}

async function place(t: TestContext): Promise<string> {
  return join(await scratchDirectory(t), 'sluice', 'uploads');
}

test('is read back as it was written, by nobody but the user', async (t) => {
  const directory = await place(t);
  const records = new UploadRecords(KEY, silentLogger, directory);
  assert.equal(await records.read(), undefined);
  assert.equal(await records.write(record()), true);
  assert.deepEqual(
    await new UploadRecords(KEY, silentLogger, directory).read(),
    record('u', (await records.read())?.expiresMs),
  );
  const [name] = readdirSync(directory);
  assert.equal(statSync(join(directory, String(name))).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  await records.remove('u');
  assert.deepEqual(readdirSync(directory), []);
});

test('is about one source, one place and one condition', async (t) => {
  const directory = await place(t);
  await new UploadRecords(KEY, silentLogger, directory).write(record());
  for (const other of [
    { path: '/srv/b' },
    { target: 'localhost:2' },
    { name: 'b' },
    { overwrite: 'OVERWRITE_ALWAYS' },
    { ifMatch: 'v' },
    { sha256: 'ff' },
    { crc32: 0 },
  ]) {
    assert.equal(await new UploadRecords({ ...KEY, ...other }, silentLogger, directory).read(), undefined);
  }
});

test('is about one version of the source', () => {
  assert.equal(isRecordOf(record(), SOURCE, {}), true);
  for (const other of [{ ino: '9' }, { size: 9 }, { mtimeNs: '9' }, { ctimeNs: '9' }]) {
    assert.equal(isRecordOf(record(), { ...SOURCE, ...other }, {}), false);
  }
});

test('is about what the file is to get besides its bytes', async (t) => {
  const directory = await place(t);
  const attributes = { modifiedMs: 1, mode: 0o755 };
  const records = new UploadRecords(KEY, silentLogger, directory);
  await records.write({ ...record(), attributes });
  const found = await records.read();
  assert.ok(found);
  assert.equal(isRecordOf(found, SOURCE, attributes), true);
  for (const other of [
    {},
    { modifiedMs: 1 },
    { ...attributes, mode: 0o644 },
    { ...attributes, modifiedMs: 2 },
  ]) {
    assert.equal(isRecordOf(found, SOURCE, other), false);
  }
});

test('of an earlier version, which knew of no attributes, is still one', async (t) => {
  const directory = await place(t);
  const records = new UploadRecords(KEY, silentLogger, directory);
  await records.write(record());
  const path = join(directory, String(readdirSync(directory)[0]));
  writeFileSync(path, readFileSync(path, 'utf8').replace('"attributes":{},', ''));
  assert.ok(!readFileSync(path, 'utf8').includes('attributes'));
  assert.deepEqual((await records.read())?.attributes, {});
});

test('of another upload is not removed', async (t) => {
  const directory = await place(t);
  const records = new UploadRecords(KEY, silentLogger, directory);
  await records.write(record('newer'));
  await records.remove('older');
  assert.equal((await records.read())?.uploadId, 'newer');
});

test('that is damaged is none', async (t) => {
  const directory = await place(t);
  const records = new UploadRecords(KEY, silentLogger, directory);
  await records.write(record());
  const path = join(directory, String(readdirSync(directory)[0]));
  for (const text of [
    '',
    '{',
    '{"format":2}',
    readFileSync(path, 'utf8').replace('"u"', '5'),
    'x'.repeat(70_000),
  ]) {
    writeFileSync(path, text);
    assert.equal(await records.read(), undefined, text.slice(0, 20));
  }
  assert.equal(await records.write(record()), true);
  assert.equal((await records.read())?.uploadId, 'u');
});

test('of an upload that has expired long ago is cleared away, others are not', async (t) => {
  const directory = await place(t);
  const old = new Date(Date.now() - 3 * DAY_MS);
  const keep = new UploadRecords({ ...KEY, name: 'living' }, silentLogger, directory);
  const expired = new UploadRecords({ ...KEY, name: 'expired' }, silentLogger, directory);
  await keep.write(record('living'));
  await expired.write(record('expired', old.getTime()));
  for (const name of readdirSync(directory)) utimesSync(join(directory, name), old, old);
  writeFileSync(join(directory, 'of somebody else'), '');
  utimesSync(join(directory, 'of somebody else'), old, old);
  await new UploadRecords(KEY, silentLogger, directory).write(record());
  assert.equal(await expired.read(), undefined);
  assert.equal((await keep.read())?.uploadId, 'living');
  assert.ok(existsSync(join(directory, 'of somebody else')));
});

test('of a user without a home is no failure, and is told of', async (t) => {
  const { HOME, XDG_STATE_HOME } = process.env;
  t.after(() =>
    Object.assign(process.env, { ...(HOME && { HOME }), ...(XDG_STATE_HOME && { XDG_STATE_HOME }) }),
  );
  delete process.env.XDG_STATE_HOME;
  delete process.env.HOME;
  const told: object[] = [];
  const logger = { ...silentLogger, info: (fields: object) => void told.push(fields) };
  await asUnknownUser(async () => {
    const records = new UploadRecords(KEY, logger);
    assert.equal(await records.read(), undefined);
    assert.equal(await records.write(record()), false);
    await records.remove('u');
  });
  assert.deepEqual(told, [{ reason: 'the user has no home directory' }]);
});

/** As somebody whose user id has no entry in passwd; only root can be that. Anybody else takes a home that is none. */
async function asUnknownUser(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(54_321);
  else process.env.HOME = 'relative';
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

test('that cannot be written is no failure', async (t) => {
  const directory = await scratchDirectory(t);
  writeFileSync(join(directory, 'file'), '');
  const records = new UploadRecords(KEY, silentLogger, join(directory, 'file', 'below'));
  assert.equal(await records.write(record()), false);
  assert.equal(await records.read(), undefined);
  await records.remove('u');
});
