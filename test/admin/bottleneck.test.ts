/** Why transfers are slow, as a watcher is told: each cause is made for real. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLink } from '../../link-emulator/link.ts';
import type { Bottleneck, Transfer } from '../../src/wire/admin-messages.ts';
import { lines, noise } from '../support/content.ts';
import { AdminClient } from '../support/peers/admin-client.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';

/** Resolves with a transfer of the method that is slow for the reason. */
async function slowBecause(admin: AdminClient, reason: Bottleneck, method: string): Promise<Transfer> {
  const seen = new Set<unknown>();
  const found = admin.transfer((transfer) => {
    if (transfer.method !== method) return false;
    seen.add(transfer.slowBecause);
    return transfer.slowBecause === reason;
  });
  return await within(`a ${method} is slow because of ${reason}`, found).catch((error: Error) => {
    throw new Error(`${error.message}; it was ${[...seen].join(', ')}`);
  });
}

function admin(t: Parameters<typeof startServer>[0], server: TestServer): AdminClient {
  return new AdminClient(t, server.address);
}

test('a reader that does not read is why its download is slow', async (t) => {
  const server = await startServer(t);
  server.write('large', noise(1, 64 * MIB));
  const call = server.client().stream({ fileName: 'large' });
  call.once('data', () => call.pause());

  const { bytesLeft, name, windowBytes } = await slowBecause(
    admin(t, server),
    'BOTTLENECK_PEER',
    'StreamFile',
  ).then((transfer) => ({ ...transfer, bytesLeft: (transfer.size ?? 0) - transfer.movedBytes }));

  assert.equal(name, 'large');
  assert.ok(bytesLeft > 0);
  assert.ok(windowBytes < 64 * MIB);
  call.cancel();
});

test('a sender that sends nothing is why its upload is slow', async (t) => {
  const server = await startServer(t, { writable: true });
  const { call } = server.client().clientStream('UploadFile');
  call.write({ start: { fileName: 'new' }, chunk: noise(1, 10_000).bytes(0, 10_000) });

  const { direction } = await slowBecause(admin(t, server), 'BOTTLENECK_PEER', 'UploadFile');

  assert.equal(direction, 'DIRECTION_UPLOAD');
  call.cancel();
});

test('requests without credit are why an Exchange is slow', async (t) => {
  const server = await startServer(t);
  server.write('large', noise(1, 8 * MIB));
  const peer = new RawExchange(server.address);
  t.after(() => peer.close());
  peer.ask({ credit: 100_000, read: { fileName: 'large' } });
  peer.ask({ credit: 0, read: { fileName: 'large' } });

  const { name, openRequests } = await slowBecause(admin(t, server), 'BOTTLENECK_CREDIT', 'Exchange');

  assert.equal(name, 'large');
  assert.equal(openRequests, 2);
});

test('a pool without a free thread is why downloads are slow', async (t) => {
  const server = await startServer(t, { pool: { threads: 1 }, compression: { level: 9 } });
  server.write('large', lines(64 * MIB));
  const readers = Array.from({ length: 8 }, () =>
    server.client().stream({ fileName: 'large', canDecompress: true, compression: 'COMPRESSION_ALWAYS' }),
  );
  // They read all that comes.
  for (const reader of readers) reader.on('data', () => {});

  const watch = admin(t, server);
  await slowBecause(watch, 'BOTTLENECK_WORKERS', 'StreamFile');
  const sending = watch.transfer(({ movedBytes }) => movedBytes > 0);
  assert.equal((await within('one of them sends', sending)).coding, 'gzip 9');
  for (const reader of readers) reader.cancel();
});

test('a store that takes its time is why a download is slow', async (t) => {
  const server = await startServer(
    t,
    {
      slab: { size: 16 * KIB, count: 12 },
      chunk: { size: 16 * KIB, maxSize: 16 * KIB },
      stream: { firstMessage: KIB },
    },
    { store: 'memory' },
  );
  server.write('large', noise(1, 64 * MIB));
  const reader = server.client().stream({ fileName: 'large' });
  reader.on('data', () => {});

  const { inFlightBytes } = await slowBecause(admin(t, server), 'BOTTLENECK_DISK', 'StreamFile');

  assert.ok(inFlightBytes <= 12 * 16 * KIB);
  reader.cancel();
});

test('a link without room for more is why a download is slow', async (t) => {
  const server = await startServer(t, { writable: true });
  server.write('large', noise(1, 64 * MIB));
  const target = { host: '127.0.0.1', port: server.port };
  const link = await startLink({ target, rateBytesPerSec: { down: MIB } });
  t.after(() => link.close());
  // A reader that takes all that comes: its window never closes, and the bytes wait for the link.
  const client = new RawClient(link.address, { 'grpc-node.flow_control_window': 64 * MIB });
  t.after(() => client.close());
  const watch = admin(t, server);
  // The round trip of the empty link is known first.
  const { call: idle } = client.clientStream('UploadFile');
  idle.write({ start: { fileName: 'new' }, chunk: noise(1, 1000).bytes(0, 1000) });
  await within(
    'a round trip',
    watch.transfer(({ roundTripMs }) => roundTripMs !== undefined),
  );
  const reader = client.stream({ fileName: 'large' });
  reader.on('data', () => {});

  await slowBecause(watch, 'BOTTLENECK_LINK', 'StreamFile');

  reader.cancel();
  idle.cancel();
});
