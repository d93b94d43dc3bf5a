/** Two servers behind one client: what becomes of transfers when one of them drains, and where uploads go. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
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
  const names = Array.from({ length: 8 }, (_, index) => `file-${index}`);
  const holders = () => names.map((name) => servers.filter((server) => existsSync(server.at(name))).length);
  for (const name of names) await one.upload(Buffer.from('one'), name);
  assert.deepEqual(new Set(holders()), new Set([1]));
  for (const server of servers) assert.ok(names.some((name) => existsSync(server.at(name))));
  for (const name of names) await other.upload(Buffer.from('other'), name);
  assert.deepEqual(new Set(holders()), new Set([1]));
  for (const name of names) {
    const holder = servers.find((server) => existsSync(server.at(name)));
    assert.equal(readFileSync(holder?.at(name) ?? '', 'utf8'), 'other');
  }
});

test('an upload goes to the next server where its own cannot be reached', async (t) => {
  const servers = [
    await startServer(t, { writable: true }),
    await startServer(t, { writable: true }),
  ] as const;
  const names = Array.from({ length: 4 }, (_, index) => `file-${index}`);
  await servers[0].server.stop(0);
  const client = clientOf(t, servers);
  for (const name of names) await client.upload(Buffer.from(name), name);
  for (const name of names) assert.equal(readFileSync(servers[1].at(name), 'utf8'), name);
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
