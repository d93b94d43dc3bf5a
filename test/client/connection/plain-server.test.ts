/** A server that knows only the four messages of the contract. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TransferError } from '../../../src/base/errors.ts';
import { first } from '../download/honest-messages.ts';
import {
  CHUNK_BYTES,
  clientOf,
  collect,
  failureOf,
  scratchDirectory,
  someFile,
  startServer,
} from '../fixtures.ts';

test('gets a file from it, and says that only the length was checked', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  server.isPlain = true;
  const result = await clientOf(t, server).download('a', join(directory, 'a'));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
  assert.deepEqual([result.verified, result.version], [false, '']);
});

test('gets a compressed file and an empty one from it', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file, empty: { content: Buffer.alloc(0), version: '' } });
  server.isPlain = true;
  server.compresses = true;
  const client = clientOf(t, server);
  assert.deepEqual(await collect(client.stream('a')), file.content);
  assert.equal((await collect(client.stream('empty'))).byteLength, 0);
});

for (const limit of [0, 1, CHUNK_BYTES, CHUNK_BYTES + 5, 5 * CHUNK_BYTES]) {
  test(`stops it at a limit of ${limit}`, async (t) => {
    const file = someFile();
    const server = await startServer(t, { a: file });
    server.isPlain = true;
    const bytes = await collect(clientOf(t, server).stream('a', { start: 3, limit }));
    assert.deepEqual(bytes, file.content.subarray(3, 3 + limit));
  });
}

test('resumes a truncated stream of it', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.isPlain = true;
  server.scripts.push({ messages: first(3) }, { messages: first(2), ending: 'cut' });
  assert.deepEqual(await collect(clientOf(t, server).stream('a')), file.content);
  assert.equal(server.requests.length, 3);
});

test('does not splice when its file changes size between attempts', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.isPlain = true;
  server.scripts.push({ messages: first(3) });
  server.scripts.push({ before: () => void server.files.set('a', someFile('', 9 * CHUNK_BYTES)) });
  assert.equal((await failureOf(collect(clientOf(t, server).stream('a')))).code, 'FILE_CHANGED');
});

test('leaves no part to resume, because nothing tells whether the file is the same', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  server.isPlain = true;
  server.scripts.push({ messages: first(3), ending: new TransferError('PERMISSION_DENIED', 'no more') });
  await failureOf(clientOf(t, server).download('a', join(directory, 'a')));
  assert.ok(!(await readdir(directory)).includes('a.part.json'));
});

test('cannot pin a version with it', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.isPlain = true;
  const failure = await failureOf(collect(clientOf(t, server).stream('a', { ifMatch: 'v1' })));
  assert.equal(failure.code, 'VERSION_MISMATCH');
});
