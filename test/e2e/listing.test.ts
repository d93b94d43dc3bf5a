/** Listings of large directories, through a server and a client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { ServiceError } from '@grpc/grpc-js';
import { SluiceClient } from '../../src/client/client.ts';
import { noise } from '../support/content.ts';
import { startRelay } from '../support/relay.ts';
import { STORES, type StoreKind, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const NAMES = Array.from(
  { length: 3000 },
  (_, index) => `d/file-with-a-name-${String(index).padStart(5, '0')}`,
);

const LEFT_OUT = 'd/file-with-a-name-00777x';

/** In the local store something is left out as well. */
async function scene(t: TestContext, store: StoreKind): Promise<TestServer> {
  const server = await startServer(t, {}, { store });
  if (server.memory === null) {
    mkdirSync(server.at('d'));
    symlinkSync('x', server.at(LEFT_OUT));
  }
  for (const name of NAMES) server.write(name, noise(1, 0));
  return server;
}

for (const store of STORES) {
  test(`a listing that breaks off goes on where it was, with nothing missing and nothing twice (${store})`, async (t) => {
    const server = await scene(t, store);
    const relay = await startRelay(t, server.port);
    relay.cutAfterBytes.push(30_000, 60_000, 100, 90_000);
    const client = new SluiceClient(relay.address, { retry: { initialBackoffMs: 1 } });
    t.after(() => client.close());
    const names: string[] = [];
    const omitted: string[] = [];
    const options = {
      recursive: true,
      onOmitted: (each: { shownName: string }) => omitted.push(each.shownName),
    };
    for await (const { isDirectory, name } of client.list('', options)) if (!isDirectory) names.push(name);
    assert.equal(relay.cutAfterBytes.length, 0);
    assert.deepEqual(names, NAMES);
    assert.deepEqual(omitted, store === 'local' ? [LEFT_OUT] : []);
  });

  test(`a listing that is not read gives its place to others, and goes on when it is read again (${store})`, async (t) => {
    const server = await scene(t, store);
    const client = new SluiceClient(server.address, { stallTimeoutMs: 300, windowBytes: 65_535 });
    t.after(() => client.close());
    const names: string[] = [];
    for await (const { name } of client.list('d')) {
      names.push(name);
      if (names.length !== 1000) continue;
      assert.equal(server.server.stats().streams, 1);
      await until('its place is free', () => server.server.stats().streams === 0);
    }
    assert.deepEqual(names, NAMES);
  });
}

test('a position that is none is refused', async (t) => {
  const server = await startServer(t);
  const call = server
    .client()
    .serverStream('ListFiles', { prefix: '', recursive: true, after: Buffer.from('../x') });
  const [failure] = (await once(call.resume(), 'error')) as [ServiceError];
  assert.equal(failure.metadata.get('sluice-code')[0], 'INVALID_ARGUMENT');
});
