/** A download to a path: what is there after it, and what a failed one leaves. */
import assert from 'node:assert/strict';
import { chmod, chown, link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import { asOrdinaryUser } from '../../support/stores/scratch-store.ts';
import { CHUNK_BYTES, clientOf, failureOf, scratchDirectory, someFile, startServer } from '../fixtures.ts';
import { first } from './honest-messages.ts';

test('leaves the file, and nothing beside it', async (t) => {
  const file = { ...someFile(), modifiedMs: 1_700_000_000_000 };
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, { a: file }));
  const result = await client.download('a', join(directory, 'a'));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
  assert.deepEqual(await readdir(directory), ['a']);
  assert.equal((await stat(join(directory, 'a'))).mtimeMs, file.modifiedMs);
  const { durationMs, ...rest } = result;
  assert.ok(durationMs > 0);
  assert.deepEqual(rest, {
    bytes: file.content.byteLength,
    resumedBytes: 0,
    version: 'v1',
    crc32: crc32(file.content),
    verified: true,
    attempts: 1,
    restarts: 0,
    wireBytes: file.content.byteLength,
    bytesByCodec: { identity: file.content.byteLength, gzip: 0, brotli: 0, zstd: 0 },
  });
});

test('keeps the mode of a file that it replaces, and its owner where that is permitted', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, { a: file }));
  const path = join(directory, 'a');
  const owner = process.geteuid?.() === 0 ? 54_321 : process.geteuid?.();
  for (const mode of [0o600, 0o755]) {
    await writeFile(path, 'before');
    await chmod(path, mode);
    if (owner !== undefined) await chown(path, owner, owner);
    await client.download('a', path);
    const stats = await stat(path);
    assert.equal(stats.size, file.content.byteLength);
    assert.equal(stats.mode & 0o7777, mode);
    assert.equal(stats.uid, owner);
  }
});

test('keeps to itself, while it arrives, what replaces a file that only its owner may read', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const path = join(directory, 'a');
  await writeFile(path, 'before', { mode: 0o600 });
  server.scripts.push({ messages: first(5), ending: new TransferError('DATA_LOSS', 'lost') });
  await failureOf(clientOf(t, server).download('a', path));
  assert.equal((await stat(`${path}.part`)).mode & 0o777, 0o600);
});

test('finishes in a directory that may not be read', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, { a: file }));
  await chmod(directory, 0o333);
  await asOrdinaryUser(() => client.download('a', join(directory, 'a')));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
});

test('writes an empty file', async (t) => {
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, { a: { content: Buffer.alloc(0), version: 'v1' } }));
  assert.equal((await client.download('a', join(directory, 'a'))).bytes, 0);
  assert.deepEqual(await readdir(directory), ['a']);
});

test('writes just the range it is asked for', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, { a: file }));
  await client.download('a', join(directory, 'a'), { start: 5, limit: 100_000 });
  assert.deepEqual(await readFile(join(directory, 'a')), file.content.subarray(5, 100_005));
});

test('resumes from what a failed download left, and reads only the rest', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server);
  server.scripts.push({ messages: first(8), ending: new TransferError('PERMISSION_DENIED', 'no more') });
  assert.equal((await failureOf(client.download('a', join(directory, 'a')))).code, 'PERMISSION_DENIED');
  assert.deepEqual((await readdir(directory)).sort(), ['a.part', 'a.part.json']);

  const phases = new Set<string>();
  const onProgress = ({ phase }: { phase: string }) => phases.add(phase);
  const result = await client.download('a', join(directory, 'a'), { onProgress });
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
  assert.deepEqual(await readdir(directory), ['a']);
  assert.equal(result.resumedBytes, 7 * CHUNK_BYTES);
  assert.equal(result.crc32, crc32(file.content));
  assert.equal(server.requests[1]?.start, 7 * CHUNK_BYTES);
  assert.equal(server.requests[1]?.ifMatch, 'v1');
  assert.deepEqual([...phases], ['checking', 'receiving', 'finishing']);
});

test('starts over when the file changed since the part was left', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server);
  server.scripts.push({ messages: first(8), ending: new TransferError('PERMISSION_DENIED', 'no more') });
  await failureOf(client.download('a', join(directory, 'a')));
  const newer = someFile('v2', 4 * CHUNK_BYTES);
  server.files.set('a', newer);
  const result = await client.download('a', join(directory, 'a'));
  assert.deepEqual(await readFile(join(directory, 'a')), newer.content);
  assert.deepEqual([result.version, result.restarts, result.resumedBytes], ['v2', 1, 0]);
});

for (const [problem, spoil] of [
  ['a record that is not one', (part: string) => writeFile(`${part}.json`, '{"format":2')],
  ['a record about another file', (part: string) => changeRecord(part, { name: 'b' })],
  ['a record about another range', (part: string) => changeRecord(part, { start: 1 })],
  [
    'a record that promises too much',
    (part: string) => changeRecord(part, { ranges: [{ start: 0, end: 1e9, crc32: 1 }] }),
  ],
  ['a record of an unknown format', (part: string) => changeRecord(part, { format: 3 })],
  ['changed bytes in the part', (part: string) => writeFile(part, Buffer.alloc(7 * CHUNK_BYTES))],
  ['a shorter part', (part: string) => writeFile(part, Buffer.alloc(7))],
] as const) {
  test(`starts over at ${problem}`, async (t) => {
    const file = someFile();
    const directory = await scratchDirectory(t);
    const server = await startServer(t, { a: file });
    const client = clientOf(t, server);
    server.scripts.push({ messages: first(8), ending: new TransferError('PERMISSION_DENIED', 'no more') });
    await failureOf(client.download('a', join(directory, 'a')));
    await spoil(join(directory, 'a.part'));
    const result = await client.download('a', join(directory, 'a'));
    assert.deepEqual(await readFile(join(directory, 'a')), file.content);
    assert.equal(result.resumedBytes, 0);
    assert.deepEqual(await readdir(directory), ['a']);
  });
}

test('keeps those ranges of an earlier run that still are what was recorded', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server);
  server.scripts.push({ messages: first(2), ending: new TransferError('PERMISSION_DENIED', 'no more') });
  await failureOf(client.download('a', join(directory, 'a')));
  const size = file.content.byteLength;
  const ranges = [0, 5, 9, 18].map((chunk) => {
    const [start, end] = [chunk * CHUNK_BYTES, Math.min(size, (chunk + 3) * CHUNK_BYTES)];
    return { start, end, crc32: crc32(file.content.subarray(start, end)) };
  });
  const part = Buffer.alloc(size);
  for (const { start, end } of ranges) file.content.copy(part, start, start, end);
  // One byte of the second range has changed since.
  part[6 * CHUNK_BYTES] = 1 + (part[6 * CHUNK_BYTES] as number);
  await writeFile(join(directory, 'a.part'), part);
  await changeRecord(join(directory, 'a.part'), { ranges });
  const result = await client.download('a', join(directory, 'a'));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
  assert.equal(result.resumedBytes, 6 * CHUNK_BYTES + size - 18 * CHUNK_BYTES);
  assert.equal(result.crc32, crc32(file.content));
  assert.deepEqual(
    server.requests
      .slice(1)
      .map(({ start, limit }) => [start / CHUNK_BYTES, (limit as number) / CHUNK_BYTES]),
    [
      [3, 6],
      [12, 6],
    ],
  );
});

async function changeRecord(part: string, change: object): Promise<void> {
  const record = JSON.parse(await readFile(`${part}.json`, 'utf8')) as object;
  await writeFile(`${part}.json`, JSON.stringify({ ...record, ...change }));
}

test('leaves nothing behind for a file that does not exist', async (t) => {
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, {}));
  assert.equal((await failureOf(client.download('a', join(directory, 'a')))).code, 'NOT_FOUND');
  assert.deepEqual(await readdir(directory), []);
});

test('does not replace an existing file when told so', async (t) => {
  const directory = await scratchDirectory(t);
  await writeFile(join(directory, 'a'), 'mine');
  const client = clientOf(t, await startServer(t, { a: someFile() }));
  const failure = await failureOf(client.download('a', join(directory, 'a'), { overwrite: false }));
  assert.equal(failure.code, 'ALREADY_EXISTS');
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), 'mine');
});

test('does not replace a file that appeared during the download when told so', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  server.scripts.push({ before: () => writeFile(join(directory, 'a'), 'mine') });
  const failure = await failureOf(
    clientOf(t, server).download('a', join(directory, 'a'), { overwrite: false }),
  );
  assert.equal(failure.code, 'ALREADY_EXISTS');
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), 'mine');
});

test('forgets a part of another version at once', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server);
  const refusal = new TransferError('PERMISSION_DENIED', 'no more');
  server.scripts.push({ messages: first(8), ending: refusal });
  await failureOf(client.download('a', join(directory, 'a')));
  server.files.set('a', someFile('v2'));
  server.scripts.push({}, { messages: first(1), ending: refusal });
  assert.equal((await failureOf(client.download('a', join(directory, 'a')))).code, 'PERMISSION_DENIED');
  assert.deepEqual(await readdir(directory), []);
});

test('never touches a finished file that a killed publisher left under two names', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  await writeFile(join(directory, 'a'), 'finished');
  await link(join(directory, 'a'), join(directory, 'a.part'));
  server.defaultScript = { messages: first(8), ending: new TransferError('PERMISSION_DENIED', 'no more') };
  await failureOf(clientOf(t, server).download('a', join(directory, 'a')));
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), 'finished');
});

test('follows a symbolic link to a file', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  await writeFile(join(directory, 'real'), 'old');
  await symlink('real', join(directory, 'link'));
  const client = clientOf(t, await startServer(t, { a: file }));
  await client.download('a', join(directory, 'link'));
  assert.deepEqual(await readFile(join(directory, 'real')), file.content);
});

test('does not follow a symbolic link in the place of the part', async (t) => {
  const directory = await scratchDirectory(t);
  await writeFile(join(directory, 'victim'), 'old');
  await symlink('victim', join(directory, 'a.part'));
  const client = clientOf(t, await startServer(t, { a: someFile() }));
  assert.equal((await failureOf(client.download('a', join(directory, 'a')))).code, 'LOCAL_IO');
  assert.equal(await readFile(join(directory, 'victim'), 'utf8'), 'old');
});

test('writes into a device without replacing it', async (t) => {
  const client = clientOf(t, await startServer(t, { a: someFile() }));
  await client.download('a', '/dev/null');
  assert.ok((await stat('/dev/null')).isCharacterDevice());
});

test('says that the target is a directory', async (t) => {
  const directory = await scratchDirectory(t);
  await mkdir(join(directory, 'a'));
  const client = clientOf(t, await startServer(t, { a: someFile() }));
  const failure = await failureOf(client.download('a', join(directory, 'a')));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /is a directory/);
});

test('says that the directory of the target is missing', async (t) => {
  const directory = await scratchDirectory(t);
  const client = clientOf(t, await startServer(t, { a: someFile() }));
  const failure = await failureOf(client.download('a', join(directory, 'none', 'a')));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /none\/a\.part.*directory does not exist/);
});
