/** What the client tells about files without fetching them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import type { SluiceClient } from '../../../src/client/client.ts';
import { clientOf, failureOf, someFile, startServer } from '../fixtures.ts';

test('tells size, version and time of a file', async (t) => {
  const file = { ...someFile(), modifiedMs: 1_700_000_000_123 };
  const client = clientOf(t, await startServer(t, { a: file }));
  const size = file.content.byteLength;
  assert.equal(await client.getFileSize('a'), size);
  assert.deepEqual(await client.stat('a'), {
    name: 'a',
    size,
    version: 'v1',
    modifiedMs: 1_700_000_000_123,
    contentType: '',
  });
});

test('rejects with NOT_FOUND for a file that is not there', async (t) => {
  const client = clientOf(t, await startServer(t, {}));
  assert.equal((await failureOf(client.getFileSize('a'))).code, 'NOT_FOUND');
  assert.equal((await failureOf(client.stat('a'))).code, 'NOT_FOUND');
});

test('lists entries in the order of the server', async (t) => {
  const server = await startServer(t, {});
  for (let index = 0; index < 500; index++) {
    server.listing.push({ name: `d/${index}`, isDirectory: false, size: index, modifiedMs: 0, version: 'v' });
  }
  server.listing.push({ name: 'e', isDirectory: true, size: 0, modifiedMs: 0, version: '' });
  const client = clientOf(t, server);
  const names: string[] = [];
  for await (const { name } of client.list('d')) names.push(name);
  assert.deepEqual(
    names,
    server.listing.slice(0, 500).map(({ name }) => name),
  );
  for await (const { name } of client.list()) {
    assert.equal(name, 'd/0');
    break;
  }
});

function everyCall(client: SluiceClient, signal: AbortSignal): Promise<unknown>[] {
  return [
    client.getFileSize('a', { signal }),
    client.stat('a', { signal }),
    client.list('', { signal }).next(),
    client.download('a', '/dev/null', { signal }),
    client.stream('a', { signal }).next(),
    client.upload(Buffer.from('a'), 'b', { signal }),
    client.delete('a', { signal }),
  ];
}

test('a timeout of the caller arrives as DEADLINE_EXCEEDED, before and during every call', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const client = clientOf(t, `127.0.0.1:${port}`);
  const passed = AbortSignal.timeout(0);
  await once(passed, 'abort');
  for (const signal of [passed, AbortSignal.timeout(1), AbortSignal.any([AbortSignal.timeout(1)])]) {
    const failures = await Promise.all(everyCall(client, signal).map(failureOf));
    for (const { code, message } of failures) assert.equal(code, 'DEADLINE_EXCEEDED', message);
  }
});

test('cancels before and during every call', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server);
  const calls = everyCall(client, AbortSignal.abort());
  for (const { code } of await Promise.all(calls.map(failureOf))) assert.equal(code, 'CANCELLED');
  assert.equal(server.requests.length, 0);
  const later = new AbortController();
  const running = client.stat('a', { signal: later.signal });
  later.abort();
  assert.equal((await failureOf(running)).code, 'CANCELLED');
});
