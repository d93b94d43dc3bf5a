/** What the iteration of `stream()` delivers, and that it delivers nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHUNK_BYTES, clientOf, collect, failureOf, someFile, startServer, until } from '../fixtures.ts';

test('delivers the bytes of a file in order', async (t) => {
  const file = someFile();
  const client = clientOf(t, await startServer(t, { 'a/b.bin': file }));
  assert.deepEqual(await collect(client.stream('a/b.bin')), file.content);
});

test('delivers the bytes of a compressed file in order', async (t) => {
  const file = { content: Buffer.from('sluice '.repeat(100_000)), version: 'v1' };
  const server = await startServer(t, { a: file });
  server.compresses = true;
  assert.deepEqual(await collect(clientOf(t, server).stream('a')), file.content);
});

test('asks for no compression when told so', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.compresses = true;
  const client = clientOf(t, server, { compression: 'never' });
  assert.deepEqual(await collect(client.stream('a')), file.content);
  assert.equal(server.requests[0]?.canDecompress, false);
  assert.equal(server.requests[0]?.compression, 'COMPRESSION_NEVER');
});

test('delivers an empty file', async (t) => {
  const client = clientOf(t, await startServer(t, { a: { content: Buffer.alloc(0), version: 'v1' } }));
  assert.equal((await collect(client.stream('a'))).byteLength, 0);
});

test('delivers a range, cut at the end of the file', async (t) => {
  const file = someFile();
  const client = clientOf(t, await startServer(t, { a: file }));
  const middle = await collect(client.stream('a', { start: 1000, limit: 50_000 }));
  assert.deepEqual(middle, file.content.subarray(1000, 51_000));
  const size = file.content.byteLength;
  const tail = await collect(client.stream('a', { start: size - 10, limit: 50_000 }));
  assert.deepEqual(tail, file.content.subarray(size - 10));
  assert.equal((await collect(client.stream('a', { start: size }))).byteLength, 0);
});

test('delivers small chunks in memory of their own', async (t) => {
  const client = clientOf(t, await startServer(t, { a: someFile('v1', 200) }));
  for await (const chunk of client.stream('a')) assert.equal(chunk.buffer.byteLength, chunk.byteLength);
});

test('cancels the call when the loop is left early', async (t) => {
  const server = await startServer(t, { a: someFile('v1', 400 * CHUNK_BYTES) });
  server.defaultScript = { ending: 'hang' };
  for await (const _chunk of clientOf(t, server).stream('a')) break;
  await until(() => server.openCalls === 0);
});

test('ends with CANCELLED when the signal aborts', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { ending: 'hang' };
  const abort = new AbortController();
  const client = clientOf(t, server);
  const iteration = (async () => {
    for await (const _chunk of client.stream('a', { signal: abort.signal })) abort.abort();
  })();
  assert.equal((await failureOf(iteration)).code, 'CANCELLED');
  await until(() => server.openCalls === 0);
});

test('leaves no call behind when the signal aborts in any turn of its beginning', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { ending: 'hang' };
  const client = clientOf(t, server);
  await client.stat('a');
  for (let turns = 0; turns < 30; turns += 1) {
    const abort = new AbortController();
    const iteration = collect(client.stream('a', { signal: abort.signal }));
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    abort.abort();
    assert.equal((await failureOf(iteration)).code, 'CANCELLED');
  }
  // What was sent before this has come before it.
  await client.stat('a');
  await until(() => server.openCalls === 0);
});
