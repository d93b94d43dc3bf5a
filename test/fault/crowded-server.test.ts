/** A server whose places one address holds: who else gets in, who loses a place, and how he hears of it. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../src/index.ts';
import { assertBytes, noise } from '../support/content.ts';
import { BASE_BYTES, workBesideCrowd } from '../support/peers/crowd.ts';
import { fromAddress } from '../support/peers/from-address.ts';
import { endOf, methodOf, RawClient } from '../support/peers/raw-client.ts';
import { answerOf, framed, RawSession } from '../support/peers/raw-http2.ts';
import { expectedOf, sendMessages } from '../support/peers/raw-upload.ts';
import { cannotBe, MODES } from '../support/peers/secured.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const PLACES = 4;

/** A client that the server sees come from 127.0.0.2. */
async function otherClient(t: TestContext, server: TestServer): Promise<RawClient> {
  const client = new RawClient(await fromAddress(t, server.port, '127.0.0.2'));
  t.after(() => client.close());
  return client;
}

test('readers that read nothing do not keep the client of another address out', async (t) => {
  const server = await startServer(t, { limits: { streams: PLACES }, stream: { stallLinger: 100 } });
  const content = server.write('file', noise(1, 4 * MIB));
  const raw = new RawSession(t, server.port, { initialWindowSize: 1000 });
  const crowd = Array.from({ length: PLACES }, () => raw.call('StreamFile', { fileName: 'file' }));
  const resets = crowd.map(
    (stream) => new Promise<number>((resolve) => stream.pause().once('close', () => resolve(stream.rstCode))),
  );
  const begun = crowd.map((stream) => new Promise((resolve) => stream.once('response', resolve)));
  await within('all are under way', Promise.all(begun));
  assert.equal((await server.client().fetch({ fileName: 'file' })).code, 'RESOURCE_EXHAUSTED');
  const other = await otherClient(t, server);
  const { status, bytes } = await within(
    'the download from another address',
    other.fetch({ fileName: 'file' }),
  );
  assert.equal(status, 'OK');
  assertBytes(bytes, content, 0);
  // Whoever reads nothing cannot be told; what it held is free after the linger time.
  assert.notEqual(await within('one reader is reset', Promise.race(resets)), 0);
  assert.equal(server.server.stats().streams, PLACES - 1);
  raw.destroy();
  await server.untilIdle();
});

test('senders that send a byte now and then do not keep the uploads of another address out', async (t) => {
  const server = await startServer(t, { writable: true, limits: { uploadStreams: PLACES } });
  const crowd = Array.from({ length: PLACES }, (_, i) => {
    const { call, ended } = server.client().clientStream('UploadFile');
    call.write({ start: { fileName: `slow-${i}` }, chunk: Buffer.alloc(1) });
    return { call, ended };
  });
  await until('all places are taken', () => server.server.stats().uploads === PLACES);
  const content = noise(2, 300_000);
  const message = {
    start: { fileName: 'file', expected: expectedOf(content) },
    chunk: content.bytes(0, 100_000),
  };
  const upload = async (client: RawClient) => {
    const { call, ended } = client.clientStream('UploadFile');
    call.write(message);
    for (const start of [100_000, 200_000]) call.write({ chunk: content.bytes(start, start + 100_000) });
    call.write({ finish: true });
    call.end();
    return await ended;
  };
  assert.equal((await upload(server.client())).code, 'RESOURCE_EXHAUSTED');
  const { status, details } = await within('the upload', upload(await otherClient(t, server)));
  assert.equal(status, 'OK', details);
  const lost = await within('one of them has lost its place', Promise.race(crowd.map(({ ended }) => ended)));
  assert.deepEqual([lost.status, lost.code], ['ABORTED', 'EVICTED']);
  assert.match(lost.details, /resume/);
  for (const { call } of crowd) call.cancel();
  await server.untilIdle();
});

test('an unread listing that loses its place ends with ABORTED and closes its directory', async (t) => {
  const server = await startServer(t, { limits: { streams: 2 } });
  mkdirSync(server.at('many'));
  for (let i = 0; i < 600; i++) server.write(`many/${'n'.repeat(60)}-${i}`, noise(3, 1));
  const raw = new RawSession(t, server.port, { initialWindowSize: 100 });
  const unread = [0, 1].map(() => raw.call('ListFiles', { prefix: 'many' }).pause());
  const begun = unread.map((stream) => new Promise((resolve) => stream.once('response', resolve)));
  await within('both are under way', Promise.all(begun));
  const listing = (await otherClient(t, server)).serverStream('ListFiles', { prefix: 'many' });
  listing.resume();
  assert.equal((await within('the other listing', endOf(listing))).status, 'OK');
  // It was told before it would have been reset: now that it reads, it hears.
  const ends = await within('the ends', Promise.all(unread.map((stream) => answerOf(stream.resume()))));
  assert.equal(ends.filter(({ headers }) => headers['sluice-code'] === 'EVICTED').length, 1);
  await server.untilIdle();
});

test('calls whose message never comes whole have places too, of whatever service they are', async (t) => {
  const server = await startServer(t, { limits: { calls: 3 } });
  server.write('file', noise(5, 10));
  const raw = new RawSession(t, server.port);
  const whole = framed(methodOf('GetFileSize').requestSerialize({ fileName: 'file' }));
  const begun = [
    '/grpc.health.v1.Health/Check',
    '/grpc.health.v1.Health/List',
    '/sluice.v1.TransferService/GetFileSize',
  ].map((path) => {
    const stream = raw.open(path);
    stream.write(whole.subarray(0, -1));
    return stream;
  });
  const answers = begun.map((stream) => answerOf(stream));
  await until('all places are taken', () => server.server.stats().calls === 3);
  const own = await server.client().unary('GetFileSize', { fileName: 'file' });
  assert.deepEqual([own.status, own.code], ['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED'], own.details);
  const other = await (await otherClient(t, server)).unary('GetFileSize', { fileName: 'file' });
  assert.equal(other.status, 'OK', other.details);
  const lost = await within('one has lost its place', Promise.race(answers));
  assert.deepEqual([lost.headers['grpc-status'], lost.headers['sluice-code']], ['10', 'EVICTED']);
  raw.destroy();
  await server.untilIdle();
});

test('clients behind a trusted proxy count as an address each', async (t) => {
  const server = await startServer(t, { limits: { streams: 2, trustedProxies: '10.0.0.0/8, 127.0.0.1' } });
  server.write('file', noise(6, MIB));
  const raw = new RawSession(t, server.port, { initialWindowSize: 1000 });
  for (let reader = 0; reader < 2; reader += 1) raw.call('StreamFile', { fileName: 'file' }).pause();
  await until('all places are taken', () => server.server.stats().streams === 2);
  const refused = await (await otherClient(t, server)).fetch({ fileName: 'file' });
  assert.equal(refused.code, 'RESOURCE_EXHAUSTED');
});

test('unfinished uploads of one address do not use up those of another', async (t) => {
  const server = await startServer(t, { writable: true, uploads: { maxOpen: 3 } });
  const client = server.client();
  const start = (who: RawClient, fileName: string) => who.unary('StartUpload', { fileName });
  for (const name of ['a', 'b', 'c']) {
    const { answer } = await start(client, name);
    const message = { chunk: Buffer.alloc(1), offset: 0 };
    assert.equal((await sendMessages(client, String(answer?.uploadId), [message])).status, 'OK');
  }
  assert.equal((await start(client, 'd')).code, 'RESOURCE_EXHAUSTED');
  const other = await start(await otherClient(t, server), 'd');
  assert.equal(other.status, 'OK', other.details);
});

test('downloads that lose their places again and again still get every byte', async (t) => {
  const server = await startServer(t, { limits: { streams: 2 }, stream: { stallLinger: 100 } });
  const content = server.write('file', noise(4, 8 * MIB));
  const other = await otherClient(t, server);
  const client = new SluiceClient(server.address, { windowBytes: 65_535, retry: { initialBackoffMs: 20 } });
  t.after(() => client.close());
  const targets = [new GatedTarget(), new GatedTarget()];
  const downloads = targets.map((target) => client.download('file', target));
  for (let round = 1; round <= 3; round += 1) {
    for (const target of targets) target.takeUpTo(round * MIB);
    await until('both have come so far', () => targets.every(({ isFull }) => isFull));
    assert.equal((await other.fetch({ fileName: 'file' })).status, 'OK');
  }
  for (const target of targets) target.takeUpTo(content.size);
  const results = await within('the downloads', Promise.all(downloads));
  assert.ok(results.reduce((sum, { attempts }) => sum + attempts, 0) >= 2 + 3);
  for (const { parts } of targets) assertBytes(Buffer.concat(parts), content, 0);
  await server.untilIdle();
});

for (const mode of MODES) {
  const title = `a ${mode} server full of peers that do next to nothing works for another address, in the memory it states`;
  test(title, { skip: cannotBe(mode) }, async (t) => {
    const crowd = { readers: 20, senders: 20, starts: 20, idle: 40, calls: 80 };
    const seen = await workBesideCrowd(t, mode, crowd, 4 * MIB);
    assert.ok(seen.peakRssBytes <= seen.boundBytes + BASE_BYTES, JSON.stringify(seen));
  });
}

/** Takes no more bytes than it may. */
class GatedTarget extends Writable {
  readonly parts: Buffer[] = [];
  #bytes = 0;
  #mostBytes = 0;
  #waiting: (() => void) | null = null;

  get isFull(): boolean {
    return this.#bytes >= this.#mostBytes;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.parts.push(Buffer.from(chunk));
    this.#bytes += chunk.byteLength;
    if (this.isFull) this.#waiting = done;
    else done();
  }

  takeUpTo(bytes: number): void {
    this.#mostBytes = bytes + 1;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }
}
