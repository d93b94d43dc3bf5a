/** Two servers behind one client: what becomes of transfers when one of them drains, and where uploads go. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import { noise } from '../support/content.ts';
import { LineLog } from '../support/line-log.ts';
import { KIB, MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const CONTENT = noise(1, 4 * MIB + 1);
const DIGEST = digestOf(CONTENT.bytes(0, CONTENT.size));
const STREAMS_EACH = 3;
const MOST_STREAMS = 64;

/** Half of them begin with either of two servers. */
const NAMES = Array.from({ length: 8 }, (_, index) => `file-${index}`);

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function clientOf(t: TestContext, servers: readonly TestServer[], options: ClientOptions = {}): SluiceClient {
  const client = new SluiceClient(
    servers.map(({ address }) => address),
    { ownConnection: true, ...options },
  );
  t.after(() => client.close());
  return client;
}

test('a server that drains hands its transfers over, without a line in the log', async (t) => {
  const one = await startServer(t);
  const two = await startServer(t, {}, { root: one.root });
  one.write('file', CONTENT);
  const log = new LineLog(true);
  const client = clientOf(t, [one, two], { logger: log, windowBytes: 64 * KIB });
  let begun = 0;
  let resume = () => {};
  const resumed = new Promise<void>((resolve) => {
    resume = resolve;
  });
  const streamed = async () => {
    const hash = createHash('sha256');
    let isFirst = true;
    for await (const chunk of client.stream('file')) {
      hash.update(chunk);
      if (!isFirst) continue;
      isFirst = false;
      begun += 1;
      await resumed;
    }
    return hash.digest('hex');
  };
  const session = client.session();
  t.after(() => session.close());
  await session.stat('file');
  const transfers = () => [one, two].map(({ server }) => server.stats().transfers);
  const digests: Promise<string>[] = [];
  // The first ones may all go to the server that was connected first.
  while (digests.length < MOST_STREAMS && Math.min(...transfers()) < STREAMS_EACH) {
    digests.push(streamed());
    await until('the transfer has begun', () => begun === digests.length);
  }
  assert.ok(Math.min(...transfers()) >= STREAMS_EACH, `${transfers().join()} transfers`);

  const stopped = one.server.stop(0);
  resume();
  for (const digest of await within('all transfers complete', Promise.all(digests)))
    assert.equal(digest, DIGEST);
  assert.equal((await session.stat('file')).size, CONTENT.size);
  await stopped;
  assert.deepEqual(log.lines, []);
});

test('all uploads of one name begin with the same server, whoever sends them', async (t) => {
  const servers = [await startServer(t, { writable: true }), await startServer(t, { writable: true })];
  const one = clientOf(t, servers);
  const other = clientOf(t, servers.toReversed());
  const holders = () => NAMES.map((name) => servers.filter((server) => existsSync(server.at(name))).length);
  for (const name of NAMES) await one.upload(Buffer.from('one'), name);
  assert.deepEqual(new Set(holders()), new Set([1]));
  for (const server of servers) assert.ok(NAMES.some((name) => existsSync(server.at(name))));
  for (const name of NAMES) await other.upload(Buffer.from('other'), name);
  assert.deepEqual(new Set(holders()), new Set([1]));
  for (const name of NAMES) {
    const holder = servers.find((server) => existsSync(server.at(name)));
    assert.equal(readFileSync(holder?.at(name) ?? '', 'utf8'), 'other');
  }
});

test('an upload goes to the next server where its own cannot be reached', async (t) => {
  const servers = [
    await startServer(t, { writable: true }),
    await startServer(t, { writable: true }),
  ] as const;
  await servers[0].server.stop(0);
  const client = clientOf(t, servers);
  for (const name of NAMES) await client.upload(Buffer.from(name), name);
  for (const name of NAMES) assert.equal(readFileSync(servers[1].at(name), 'utf8'), name);
});

test('an upload goes to the next server where its own accepts connections and says nothing', async (t) => {
  const server = await startServer(t, { writable: true });
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  t.after(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(silent, 'listening');
  const client = new SluiceClient([`127.0.0.1:${(silent.address() as AddressInfo).port}`, server.address], {
    connectTimeoutMs: 200,
  });
  t.after(() => client.close());
  for (const name of NAMES) await client.upload(Buffer.from(name), name);
  for (const name of NAMES) assert.equal(readFileSync(server.at(name), 'utf8'), name);
  assert.ok(sockets.size > 0);
});

test('an upload waits for a server to come back where all are away, and takes the first that does', async (t) => {
  const servers = [
    await startServer(t, { writable: true }),
    await startServer(t, { writable: true }),
  ] as const;
  const client = clientOf(t, servers, { retry: { initialBackoffMs: 5, maxBackoffMs: 50 } });
  for (const name of NAMES) await client.upload(Buffer.from('old'), name);
  const holder = servers.findIndex((server) => existsSync(server.at('file-0')));
  await Promise.all(servers.map(({ server }) => server.stop(0)));
  let waits = 0;
  const uploading = client.upload(Buffer.from('new'), 'file-0', {
    onProgress: ({ phase }) => {
      if (phase === 'waiting') waits += 1;
    },
  });
  await until('the upload has tried all servers', () => waits > 4);
  const other = servers[1 - holder] as TestServer;
  const back = await startServer(t, { writable: true, listen: other.address }, { root: other.root });
  await within('the upload completes', uploading);
  assert.equal(readFileSync(back.at('file-0'), 'utf8'), 'new');
});

test('one server with one address has one connection for calls, and no health watch', async (t) => {
  const server = await startServer(t);
  server.write('file', CONTENT);
  const client = clientOf(t, [server]);
  const chunks = client.stream('file');
  await chunks.next();
  await client.getFileSize('file');
  const { connections, standingCalls } = server.server.stats();
  assert.deepEqual({ connections, standingCalls }, { connections: 1, standingCalls: 0 });
  await chunks.return();
});
