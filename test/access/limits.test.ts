/** What one identity may use at the same time, and what is left to others. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { countersOf } from '../../src/server/server.ts';
import { startBucketServer } from '../support/bucket/served-model.ts';
import { assertBytes, noise } from '../support/content.ts';
import { type ChunkMessage, firstMessage, receiveAll } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { chunkMessages, expectedOf, sendMessages, uploadStatus } from '../support/peers/raw-upload.ts';
import { Random, seedOf } from '../support/seed.ts';
import { MIB, type Settings, startServer, type TestServer } from '../support/test-server.ts';
import { within } from '../support/until.ts';
import { accessFile, Tokens } from './tokens.ts';

const EVERYTHING = { who: ['authenticated'], may: ['read', 'list', 'write', 'delete'], on: ['**'] };

/** More than windows and sockets take of what nobody reads. */
const LARGE_BYTES = 12 * MIB;

interface Scene {
  readonly server: TestServer;
  readonly tokens: Tokens;
  /** Begins a download and reads its first message only. */
  hold(identity: string): Promise<ClientReadableStream<ChunkMessage>>;
  /** The status of a whole download. */
  fetch(identity: string): Promise<{ status: string; details: string }>;
  /** Has other limits in force. */
  limit(limits: readonly object[]): Promise<void>;
}

async function served(t: TestContext, limits: readonly object[], settings: Settings = {}): Promise<Scene> {
  const tokens = new Tokens();
  const content = {
    tokens: tokens.section(['ci', 'cd', 'other']),
    groups: { pair: ['ci', 'cd'] },
    rules: [EVERYTHING],
  };
  const file = accessFile(t, { ...content, limits });
  const server = await startServer(t, { writable: true, access: file.path, ...settings });
  server.write('large', noise(1, LARGE_BYTES));
  server.write('small', noise(2, 1000));
  return {
    server,
    tokens,
    hold: async (identity) => {
      const call = server.client({}, tokens.of(identity)).stream({ fileName: 'large' });
      await firstMessage(call);
      return call;
    },
    fetch: async (identity) => await server.client({}, tokens.of(identity)).fetch({ fileName: 'small' }),
    limit: async (changed) => {
      file.write({ ...content, limits: changed });
      await server.server.reload(server.config);
    },
  };
}

/** Asks until the answer has a status. */
async function untilStatus(
  what: string,
  ask: () => Promise<{ status: string }>,
  wanted: string,
): Promise<void> {
  let status = '';
  const asking = async () => {
    while (status !== wanted) status = (await ask()).status;
  };
  await within(what, asking());
}

test('an identity at its limit is refused, and others are served', async (t) => {
  const { fetch, hold, server } = await served(t, [{ who: ['ci'], each: { streams: 2 } }]);
  const first = await hold('ci');
  await hold('ci');

  const refused = await fetch('ci');
  assert.equal(refused.status, 'RESOURCE_EXHAUSTED');
  assert.match(refused.details, /"ci" may have 2 downloads and listings at a time/);
  assert.equal(countersOf(server.server).limitRefusals.value('streams'), 1);
  assert.equal((await fetch('other')).status, 'OK');

  first.cancel();
  await untilStatus('its place is free', () => fetch('ci'), 'OK');
});

test('a refusal says when to come back', async (t) => {
  const { hold, server, tokens } = await served(t, [{ who: ['ci'], each: { streams: 1 } }]);
  await hold('ci');
  const raw = new RawSession(t, server.port);
  const stream = raw.open('StreamFile', { authorization: `Bearer ${tokens.of('ci')}` });
  stream.end(Buffer.alloc(5));
  const { headers } = await answerOf(stream);
  assert.equal(headers['grpc-status'], '8');
  const pushbackMs = Number(headers['grpc-retry-pushback-ms']);
  assert.ok(pushbackMs >= 1000 && pushbackMs <= 2000, `${pushbackMs}`);
});

test('those that a limit means together share it', async (t) => {
  const { fetch, hold } = await served(t, [{ who: ['group:pair'], together: { streams: 2 } }]);
  await hold('ci');
  const other = await hold('cd');
  assert.match((await fetch('ci')).details, /"group:pair together" may have 2/);
  assert.equal((await fetch('cd')).status, 'RESOURCE_EXHAUSTED');
  assert.equal((await fetch('other')).status, 'OK');
  other.cancel();
  await untilStatus('a place is free', () => fetch('ci'), 'OK');
});

test('limits that change count what is held already, and hold no place for ever', async (t) => {
  const { fetch, hold, limit } = await served(t, []);
  const calls = [await hold('ci'), await hold('ci')];
  assert.equal((await fetch('ci')).status, 'OK');
  await limit([{ who: ['ci'], each: { streams: 2 } }]);
  assert.equal((await fetch('ci')).status, 'RESOURCE_EXHAUSTED');
  for (const call of calls) call.cancel();
  await untilStatus('places are free', () => fetch('ci'), 'OK');
  await limit([{ who: ['ci'], each: { streams: 1 } }]);
  await hold('ci');
  assert.equal((await fetch('ci')).status, 'RESOURCE_EXHAUSTED');
});

test('connections count from their first call until they close', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { connections: 2 } }]);
  const clients = [1, 2, 3].map(() => server.client({}, tokens.of('ci')));
  const stat = async (index: number) =>
    (await clients[index]?.unary('StatFile', { fileName: 'small' }))?.status;
  assert.deepEqual([await stat(0), await stat(1), await stat(2)], ['OK', 'OK', 'RESOURCE_EXHAUSTED']);
  assert.equal(await stat(0), 'OK', 'more calls of one connection are no more connections');
  clients[0]?.close();
  await untilStatus('its connection is gone', async () => ({ status: (await stat(2)) ?? '' }), 'OK');
});

test('requests of Exchanges are limited one by one', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { requests: 2 } }]);
  const exchange = new RawExchange(server.address, tokens.of('ci'));
  t.after(() => exchange.close());
  const ids = [1, 2, 3].map(() => exchange.ask({ read: { fileName: 'large' } }));
  assert.equal(await exchange.endOf(ids[2] as number), 'RESOURCE_EXHAUSTED');
  assert.equal(server.server.stats().requests, 2);
});

test('an identity may have so many unfinished uploads, and goes on with those it has', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { uploads: 2 } }]);
  const client = server.client({}, tokens.of('ci'));
  const start = async (uploadId: string) =>
    (await client.unary('StartUpload', { fileName: uploadId, uploadId, expectedSize: 10 })).status;
  const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(32));
  assert.deepEqual(
    [await start(ids[0] as string), await start(ids[1] as string), await start(ids[2] as string)],
    ['OK', 'OK', 'RESOURCE_EXHAUSTED'],
  );
  assert.equal(await start(ids[0] as string), 'OK');
  await client.unary('AbortUpload', { uploadId: ids[0] });
  assert.equal(await start(ids[2] as string), 'OK');
});

test('of uploads that begin at once no more than the limit do', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { uploads: 2 } }]);
  const client = server.client({}, tokens.of('ci'));
  const starts = Array.from({ length: 5 }, (_, i) => client.unary('StartUpload', { fileName: `${i}` }));
  const statuses = (await Promise.all(starts)).map(({ status }) => status);
  assert.deepEqual(statuses.toSorted(), ['OK', 'OK', ...Array(3).fill('RESOURCE_EXHAUSTED')]);
});

test('unfinished uploads of before a restart count for the identity that began them', async (t) => {
  const limits = [{ who: ['ci', 'cd'], each: { uploads: 2 } }];
  const { server, tokens } = await served(t, limits);
  const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(32));
  const start = (on: TestServer, identity: string, uploadId?: string) =>
    on.client({}, tokens.of(identity)).unary('StartUpload', { fileName: uploadId ?? 'new', uploadId });
  for (const uploadId of ids.slice(0, 2)) assert.equal((await start(server, 'ci', uploadId)).status, 'OK');
  assert.equal((await start(server, 'cd', ids[2])).status, 'OK');
  await server.server.stop(0);

  const next = await startServer(t, { writable: true, access: server.config.access }, { root: server.root });
  assert.equal((await start(next, 'ci')).status, 'RESOURCE_EXHAUSTED');
  assert.equal((await start(next, 'ci', ids[0])).status, 'OK', 'what it has it may go on with');
  assert.equal((await start(next, 'cd')).status, 'OK');
});

for (const [kind, start] of [
  ['a directory', startServer],
  ['a bucket', startBucketServer],
] as const) {
  test(`unfinished uploads to ${kind} are limited by address where callers have no identity`, async (t) => {
    const everybody = { who: ['everyone'], may: ['write'], on: ['**'] };
    const limits = [{ who: ['everyone'], each: { uploads: 1 } }];
    const { path } = accessFile(t, { rules: [everybody], limits });
    const server = await start(t, { writable: true, access: path });
    const begin = async (fileName: string, uploadId: string) =>
      (await server.client().unary('StartUpload', { fileName, uploadId })).status;
    const [one, two] = ['a'.repeat(32), 'b'.repeat(32)] as const;
    assert.deepEqual([await begin('one', one), await begin('two', two)], ['OK', 'RESOURCE_EXHAUSTED']);
    assert.equal(await begin('one', one), 'OK', 'what the address has it may go on with');
    await server.client().unary('AbortUpload', { uploadId: one });
    assert.equal(await begin('two', two), 'OK');
  });
}

test('a rate holds for all streams of an identity together, and for nobody else', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { rate: '8MiB' } }]);
  const startedMs = performance.now();
  const both = [1, 2].map(() =>
    receiveAll(server.client({}, tokens.of('ci')).stream({ fileName: 'large', limit: 6 * MIB })),
  );
  const free = await receiveAll(server.client({}, tokens.of('other')).stream({ fileName: 'large' }));
  const freeMs = performance.now() - startedMs;
  assert.equal(free.bytes.length, LARGE_BYTES);
  const [one, two] = await Promise.all(both);
  const bothMs = performance.now() - startedMs;
  assert.equal((one?.bytes.length ?? 0) + (two?.bytes.length ?? 0), 12 * MIB);
  assert.ok(bothMs > 1200, `${bothMs} ms for a second and a half of bytes`);
  assert.ok(freeMs < bothMs, 'whoever is not limited does not wait for who is');
});

test('a rate holds for uploads, and no byte is wrong', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { rate: '8MiB' } }]);
  const content = noise(3, 12 * MIB);
  const client = server.client({}, tokens.of('ci'));
  const { answer } = await client.unary('StartUpload', { fileName: 'sent' });
  const uploadId = String(answer?.uploadId);
  const startedMs = performance.now();
  const { details, status } = await sendMessages(
    client,
    uploadId,
    chunkMessages(content, 0, content.size, new Random(seedOf(t)), 128 * 1024),
  );
  assert.equal(status, 'OK', details);
  assert.ok(performance.now() - startedMs > 1200);
  await client.unary('FinishUpload', { uploadId, expected: expectedOf(content) });
  assertBytes(server.read('sent') as Buffer, content, 0);
});

test('calls of an identity with a rate wait for their turn, and none is refused', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { rate: '8MiB' } }]);
  const client = server.client({}, tokens.of('ci'));
  const startedMs = performance.now();
  for (let round = 0; round < 10; round++) {
    const calls = Array.from({ length: 6 }, () => client.unary('GetFileSize', { fileName: 'large' }));
    for (const { status } of await Promise.all(calls)) assert.equal(status, 'OK');
  }
  // 60 calls at 100 a second, the first ten at once.
  assert.ok(performance.now() - startedMs > 400);
});

test('requests of an Exchange cost what calls do: they wait for their turn, and none is refused', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { rate: '8MiB' } }]);
  const exchanges = [1, 2].map(() => new RawExchange(server.address, tokens.of('ci')));
  t.after(() => {
    for (const exchange of exchanges) exchange.close();
  });
  const startedMs = performance.now();
  for (let round = 0; round < 30; round += 1)
    for (const exchange of exchanges) exchange.ask({ stat: { fileName: 'small' } });
  // What comes last on a stream is served to its end.
  for (const exchange of exchanges) exchange.halfClose();
  for (const exchange of exchanges) {
    assert.equal(await exchange.ended(), 'OK');
    const ends = exchange.received.filter(({ end }) => end);
    assert.deepEqual(
      ends.map(({ end }) => end?.failure),
      Array(30).fill(null),
    );
  }
  // 60 requests and two calls at 100 a second, the first ten at once.
  assert.ok(performance.now() - startedMs > 400);
  assert.equal(countersOf(server.server).limitRefusals.value('requests'), 0);
});

test('bytes in flight are limited by waiting, and for nobody else', async (t) => {
  const { fetch, hold, limit, server, tokens } = await served(t, [
    { who: ['ci'], each: { inFlight: '64KiB' } },
  ]);
  const slow = await hold('ci');
  // Until its peer's windows are full, it is now and then not in flight.
  let waiting = fetch('ci');
  const isWaiting = async () => {
    const whole = receiveAll(server.client({}, tokens.of('other')).stream({ fileName: 'large' }));
    const first = await Promise.race([whole.then(() => 'others'), waiting.then(() => 'it')]);
    assert.equal((await whole).bytes.length, LARGE_BYTES);
    if (first === 'it') waiting = fetch('ci');
    return first === 'others';
  };
  const untilWaiting = async () => {
    while (!(await isWaiting())) assert.equal((await fetch('other')).status, 'OK');
  };
  await within('a download waits', untilWaiting());
  slow.cancel();
  assert.equal((await within('it goes on', waiting)).status, 'OK');
  assert.equal(countersOf(server.server).limitRefusals.value('streams'), 0);

  const again = await hold('ci');
  waiting = fetch('ci');
  await within('a download waits', untilWaiting());
  await limit([]);
  assert.equal((await within('the limit is gone', waiting)).status, 'OK');
  again.cancel();
});

test('uploads at a limit of bytes in flight arrive whole', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { inFlight: '256KiB' } }]);
  const content = noise(4, 12 * MIB);
  const client = server.client({}, tokens.of('ci'));
  const send = async (fileName: string) => {
    const { answer } = await client.unary('StartUpload', { fileName });
    const uploadId = String(answer?.uploadId);
    const messages = chunkMessages(content, 0, content.size, new Random(seedOf(t)), 128 * 1024);
    const { details, status } = await sendMessages(client, uploadId, messages);
    assert.equal(status, 'OK', details);
    await client.unary('FinishUpload', { uploadId, expected: expectedOf(content) });
    assertBytes(server.read(fileName) as Buffer, content, 0);
  };
  await Promise.all(['one', 'two', 'three'].map(send));
});

test('the first chunk of an upload is kept also where its sender is ahead of its rate', async (t) => {
  const { server, tokens } = await served(t, [{ who: ['ci'], each: { rate: '128KiB' } }]);
  const content = noise(5, 128 * 1024);
  const client = server.client({}, tokens.of('ci'));
  const start = async (fileName: string) =>
    String((await client.unary('StartUpload', { fileName })).answer?.uploadId);
  const ids = [await start('one'), await start('two')];
  // The chunk of the first is charged when that of the second arrives.
  const send = async (uploadId: string) => {
    const message = { offset: 0, chunk: content.bytes(0, content.size) };
    const { details, status } = await sendMessages(client, uploadId, [message]);
    assert.equal(status, 'OK', details);
    assert.equal((await uploadStatus(client, uploadId))?.committedSize, content.size);
  };
  await Promise.all(ids.map(send));
});
