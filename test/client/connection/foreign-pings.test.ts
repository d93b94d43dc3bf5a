/** Pings that measure the link, and servers that count pings. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../../../src/base/units.ts';
import { ALLOWED_STRIKES, PingCounter } from '../../support/peers/ping-counter.ts';
import { runSluice } from '../../support/sluice-process.ts';
import { clientOf, collect, someFile, startServer, until } from '../fixtures.ts';
import { scene } from '../upload/scene.ts';

const CHUNKED = { chunkBytes: 256 * 1024 };

test('measures the link of a download with no more pings than servers allow', async (t) => {
  const file = someFile('v1', 24 * MIB);
  const server = await startServer(t, { a: file });
  server.isPlain = true;
  const counter = await PingCounter.start(t, server.port);
  const client = clientOf(t, counter.address, CHUNKED);
  // The first one may be over before windows are followed.
  for (let pass = 0; pass < 2; pass++) assert.deepEqual(await collect(client.stream('a')), file.content);
  assert.ok(counter.pings > 1, `${counter.pings} pings`);
  assert.ok(counter.worstStrikes <= ALLOWED_STRIKES, `${counter.worstStrikes} strikes`);
});

test('does not ping a server on and on while the consumer takes nothing, or little', async (t) => {
  const file = someFile('v1', 24 * MIB);
  const server = await startServer(t, { a: file });
  const counter = await PingCounter.start(t, server.port);
  const client = clientOf(t, counter.address, CHUNKED);
  let chunks = 0;
  for await (const _chunk of client.stream('a')) {
    chunks += 1;
    // The consumer is what is slow: first for good, then with each chunk.
    await sleep(chunks === 8 ? 500 : 4);
  }
  assert.ok(counter.pings > 1, `${counter.pings} pings`);
  assert.ok(counter.worstStrikes <= ALLOWED_STRIKES, `${counter.worstStrikes} strikes`);
});

test('measures the link of an upload only where the server takes pings', async (t) => {
  const { client: _, peer } = await scene(t);
  const content = Buffer.from(randomBytes(512 * 1024).toString('hex'));
  for (const takesPings of [false, true]) {
    peer.takesPings = takesPings;
    const counter = await PingCounter.start(t, Number(peer.address.split(':')[1]));
    const client = clientOf(t, counter.address);
    await client.upload(content, `a ${takesPings}.txt`);
    if (takesPings) assert.ok(counter.pings > 4, `${counter.pings} pings`);
    else assert.ok(counter.worstStrikes <= ALLOWED_STRIKES, `${counter.worstStrikes} strikes`);
  }
});

test('pings a server no more that has ended a connection for it', async (t) => {
  const { client: _, peer } = await scene(t);
  const counter = await PingCounter.start(t, Number(peer.address.split(':')[1]));
  counter.isStrict = true;
  peer.takesPings = true;
  const client = clientOf(t, counter.address);
  const content = Buffer.from(randomBytes(512 * 1024).toString('hex'));
  await client.upload(content, 'a.txt');
  await until(() => counter.goaways === 1);
  const { pings } = counter;
  await client.upload(content, 'b.txt');
  assert.equal(counter.goaways, 1);
  assert.equal(counter.pings, pings);
  assert.deepEqual(peer.files.get('b.txt')?.content, content);
});

test('what grpc-js logs about pings does not reach the terminal', async (t) => {
  const { directory, peer, pathOf } = await scene(t);
  const counter = await PingCounter.start(t, Number(peer.address.split(':')[1]));
  counter.isStrict = true;
  peer.takesPings = true;
  const path = pathOf(Buffer.from(randomBytes(512 * 1024).toString('hex')));
  const target = `${counter.address}/a.txt`;
  const { code, stderr } = await runSluice(t, ['put', '-q', path, target], { cwd: directory });
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(counter.goaways > 0);
});
