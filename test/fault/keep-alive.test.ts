/** Streams on which nothing moves for long, behind a proxy that cuts idle connections. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { LIST_BATCH_ENTRIES } from '../../src/base/limits.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { SluiceClient } from '../../src/client/client.ts';
import { SluiceServer } from '../../src/server/server.ts';
import type { Listed, OpenFile, StoreListOptions } from '../../src/storage/store.ts';
import { noise } from '../support/content.ts';
import { type IdleProxy, startIdleProxy } from '../support/peers/idle-proxy.ts';
import { scratchRoot } from '../support/scratch.ts';
import { MemoryStore } from '../support/stores/memory-store.ts';
import { MIB, testConfig } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CONTENT = noise(1, 2 * MIB).bytes(0, 2 * MIB);

/** Keep-alive messages that go by while nothing else moves: longer than the proxy waits. */
const MESSAGES = 12;

/** Opens files, reads their second half, and tells each entry of a listing and its end, only when it is told to. */
class SlowStore extends MemoryStore {
  waitToOpen: () => Promise<void> = async () => {};
  waitToRead: () => Promise<void> = async () => {};
  waitToList: () => Promise<void> = async () => {};

  override async open(name: string): Promise<OpenFile> {
    await this.waitToOpen();
    const file = await super.open(name);
    const { source } = file;
    if (source.kind !== 'reader') throw new Error('a file in memory is read asynchronously');
    const read: typeof source.read = async (target, offset, signal) => {
      if (offset >= CONTENT.length / 2) await this.waitToRead();
      return await source.read(target, offset, signal);
    };
    return { ...file, source: { kind: 'reader', read } };
  }

  override async *list(prefix: string, options: StoreListOptions): AsyncGenerator<Listed, void, undefined> {
    await this.waitToList();
    for await (const listed of super.list(prefix, options)) {
      yield listed;
      await this.waitToList();
    }
  }
}

async function scene(t: TestContext, keepAliveMs: number) {
  const store = new SlowStore();
  store.put('file', CONTENT);
  const config = testConfig(scratchRoot(t), { writable: true });
  const server = new SluiceServer(config, { store, uploads: store });
  const { address } = await server.start();
  t.after(() => server.stop(0));
  const proxy = await startIdleProxy(t, Number(address.split(':').at(-1)));
  const interruptions: string[] = [];
  const logger: Logger = { ...silentLogger, info: (_fields, message) => interruptions.push(message) };
  const client = new SluiceClient(proxy.address, { keepAliveMs, logger, retry: { initialBackoffMs: 1 } });
  t.after(() => client.close());
  return { client, proxy, store, interruptions };
}

/** Resolves when many more messages have gone one way. */
async function manyPassed({ passed }: IdleProxy, way: 'up' | 'down'): Promise<void> {
  const before = passed[way];
  await until(`messages are passed ${way}`, () => passed[way] >= before + MESSAGES, { state: () => passed });
}

test('a download lives on while the server waits for its store, before the first byte and behind it', async (t) => {
  const { client, proxy, store, interruptions } = await scene(t, 100);
  let waits = 0;
  store.waitToOpen = async () => {
    waits += 1;
    await manyPassed(proxy, 'down');
  };
  store.waitToRead = store.waitToOpen;
  const hash = createHash('sha256');
  for await (const chunk of client.stream('file')) hash.update(chunk);
  assert.equal(hash.digest('hex'), createHash('sha256').update(CONTENT).digest('hex'));
  assert.ok(waits > 1);
  assert.deepEqual([proxy.cuts, interruptions], [0, []]);
});

test('without keep-alive messages the proxy cuts such a download', async (t) => {
  const { client, proxy, store } = await scene(t, 0);
  store.waitToOpen = () => until('the connection is cut', () => proxy.cuts > 0);
  let bytes = 0;
  for await (const chunk of client.stream('file')) bytes += chunk.length;
  assert.equal(bytes, CONTENT.length);
});

test('a listing lives on while the server waits for its store, before the first batch and behind it', async (t) => {
  const { client, proxy, store, interruptions } = await scene(t, 100);
  const names = Array.from({ length: LIST_BATCH_ENTRIES }, (_, index) => `more/${index}`);
  for (const name of names) store.put(name, CONTENT.subarray(0, 1));
  let listed = 0;
  const waits = new Set([0, LIST_BATCH_ENTRIES]);
  store.waitToList = async () => {
    if (waits.delete(listed)) await manyPassed(proxy, 'down');
    listed += 1;
  };
  const found: string[] = [];
  for await (const { isDirectory, name } of client.list('', { recursive: true }))
    if (!isDirectory) found.push(name);
  assert.deepEqual(found.toSorted(), ['file', ...names].toSorted());
  assert.equal(waits.size, 0);
  assert.deepEqual([proxy.cuts, interruptions], [0, []]);
});

test('without keep-alive messages the proxy cuts such a listing', async (t) => {
  const { client, proxy, store } = await scene(t, 0);
  store.waitToList = () => until('the connection is cut', () => proxy.cuts > 0);
  const found: string[] = [];
  for await (const { name } of client.list('')) found.push(name);
  assert.deepEqual(found, ['file']);
});

test('an upload lives on while its source has nothing to send', async (t) => {
  const { client, proxy, store, interruptions } = await scene(t, 100);
  async function* pieces() {
    yield CONTENT.subarray(0, MIB);
    await manyPassed(proxy, 'up');
    yield CONTENT.subarray(MIB);
  }
  await client.upload(pieces(), 'new');
  assert.deepEqual(store.content('new'), CONTENT);
  assert.deepEqual(interruptions, []);
});

test('a session lives on without a request, by messages of both sides', async (t) => {
  const { client, proxy, interruptions } = await scene(t, 100);
  await using session = client.session();
  await session.stat('file');
  await Promise.all([manyPassed(proxy, 'up'), manyPassed(proxy, 'down')]);
  assert.equal((await session.stat('file')).size, CONTENT.length);
  assert.deepEqual([proxy.cuts, interruptions], [0, []]);
});
