/** What operators see of a server, and do to it, asked by bare grpc-js. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { SluiceClient } from '../../src/index.ts';
import { countersOf } from '../../src/server/server.ts';
import type {
  DiscardUploadResponse,
  GetConfigResponse,
  GetHistoryResponse,
  WatchResponse,
} from '../../src/wire/admin-messages.ts';
import { noise } from '../support/content.ts';
import { LineLog } from '../support/line-log.ts';
import { AdminClient } from '../support/peers/admin-client.ts';
import { endOf } from '../support/peers/raw-client.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

type Affected = Readonly<Record<'file' | 'id' | 'result' | 'what', string>>;

/** A download of `large` whose reader has stopped, as an operator sees it. */
async function heldDownload(t: TestContext, server: TestServer) {
  server.write('large', noise(2, 64 * MIB));
  const call = server.client().stream({ fileName: 'large' });
  call.once('data', () => call.pause());
  const ended = endOf(call);
  const admin = new AdminClient(t, server.address);
  const { id } = await within(
    'the download is seen',
    admin.transfer(({ name }) => name === 'large'),
  );
  return { admin, call, ended, id };
}

async function first(admin: AdminClient): Promise<WatchResponse> {
  return await within(
    'a snapshot',
    admin.seen({}, (snapshot) => snapshot),
  );
}

test('a snapshot says what the server holds, and its parts add up', async (t) => {
  const server = await startServer(t, { writable: true });
  server.write('file', noise(1, 3 * MIB));
  const client = server.client();
  assert.equal((await client.fetch({ fileName: 'file' })).status, 'OK');
  assert.equal((await client.fetch({ fileName: 'no-file' })).code, 'NOT_FOUND');

  const snapshot = await first(new AdminClient(t, server.address));

  const { events, places, pool, server: state, slabs, totals } = snapshot;
  assert.ok(slabs && totals && pool && state);
  assert.equal(slabs.free + slabs.leased + slabs.sending + slabs.quarantined, slabs.count);
  assert.equal(slabs.count, server.config.slab.count);
  assert.equal(totals.sentRawBytes, 3 * MIB);
  assert.equal(totals.errors, 1);
  assert.ok(pool.jobMs > 0);
  assert.equal(pool.threads, server.config.pool.threads);
  assert.deepEqual(
    places.map(({ kind, limit }) => [kind, limit > 0]),
    ['connections', 'calls', 'streams', 'uploadStreams', 'standing', 'requests'].map((kind) => [kind, true]),
  );
  assert.equal(places.find(({ kind }) => kind === 'standing')?.taken, 1);
  assert.deepEqual(
    events.map(({ code, method, name, who }) => [code, method, name, who]),
    [['NOT_FOUND', 'StreamFile', 'no-file', '127.0.0.1']],
  );
  assert.equal(state.phase, 'PHASE_SERVING');
  assert.equal(state.address, server.address);
});

test('what a client cancels is no error', async (t) => {
  const server = await startServer(t);
  const { admin, call } = await heldDownload(t, server);
  const { calls } = countersOf(server.server);
  call.cancel();
  // The observer has ended its watch, too.
  const cancelled = () => [
    calls.value('StreamFile', 'CANCELLED'),
    calls.value('sluice.v1.AdminService/Watch', 'CANCELLED'),
  ];
  await until('both are counted', () => cancelled().every((count) => count > 0), { state: cancelled });
  assert.equal((await first(admin)).totals?.errors, 0);
});

test('events are told once to each observer', async (t) => {
  const server = await startServer(t);
  const client = server.client();
  const told: string[] = [];
  await client.fetch({ fileName: 'one' });
  const watching = (async () => {
    for await (const { events } of new AdminClient(t, server.address).watch({ intervalMs: 200 })) {
      told.push(...events.map(({ name }) => name));
      if (told.length === 1) await client.fetch({ fileName: 'two' });
      if (told.length > 1) return;
    }
  })();

  await within('both events', watching);

  assert.deepEqual(told, ['one', 'two']);
});

test('a connection that was closed for cause is an event, with the reason', async (t) => {
  const server = await startServer(t);
  assert.equal((await fetch(`http://${server.address}/`)).status, 400);

  const { events } = await first(new AdminClient(t, server.address));

  assert.deepEqual(
    events.map(({ code, method, who }) => [code, method, who]),
    [['foreign', '', '127.0.0.1']],
  );
});

test('an observer that leaves is no event', async (t) => {
  const server = await startServer(t);
  const admin = new AdminClient(t, server.address);
  await first(admin);
  await until('it is gone', () => server.server.stats().standingCalls === 0);

  assert.deepEqual((await first(admin)).events, []);
});

test('the configuration is as a file has it, and says what was set', async (t) => {
  const server = await startServer(t, { slab: { size: 128 * 1024, count: 20 } });

  const { answer } = await new AdminClient(t, server.address).unary<GetConfigResponse>('GetConfig', {});

  const byKey = new Map(answer?.settings.map((setting) => [setting.key, setting]));
  assert.deepEqual(byKey.get('slab.size'), { key: 'slab.size', value: '128KiB', isDefault: false });
  assert.deepEqual(byKey.get('shutdown.grace'), { key: 'shutdown.grace', value: '30s', isDefault: true });
});

test('an operator ends a download, and its client is told not to come back', async (t) => {
  const server = await startServer(t);
  const { admin, call, ended, id } = await heldDownload(t, server);

  const { answer } = await admin.unary('CancelTransfer', { id });
  call.resume();

  assert.deepEqual(answer, { cancelled: 1 });
  const { code, status } = await within('its end', ended);
  assert.deepEqual([status, code], ['CANCELLED', 'CANCELLED_BY_OPERATOR']);
  await server.untilIdle();
  assert.deepEqual(await admin.unary('CancelTransfer', { id }), { status: 'NOT_FOUND', code: 'NOT_FOUND' });
});

test('an operator ends an upload, whose bytes stay, and discards it, and then they are gone', async (t) => {
  const server = await startServer(t, { writable: true });
  const { call, ended } = server.client().clientStream('UploadFile');
  call.write({
    start: { fileName: 'new', expected: { size: 2 * MIB } },
    chunk: noise(3, 100_000).bytes(0, 100_000),
  });
  const admin = new AdminClient(t, server.address);
  const seen = await within(
    'the upload moves',
    admin.transfer(({ direction, movedBytes }) => direction === 'DIRECTION_UPLOAD' && movedBytes > 0),
  );
  assert.equal(seen.name, 'new');
  assert.equal(seen.size, 2 * MIB);

  await admin.unary('CancelTransfer', { id: seen.id });

  assert.equal((await within('its end', ended)).code, 'CANCELLED_BY_OPERATOR');
  const isKept = ({ uploads }: WatchResponse) => uploads.find(({ busy }) => !busy);
  const kept = await within('it is kept', admin.seen({}, isKept));
  assert.deepEqual(
    [kept.id, kept.name, kept.owner, kept.receivedBytes, kept.expectedSize],
    [seen.uploadId, 'new', '127.0.0.1', 100_000, 2 * MIB],
  );

  const discarded = await admin.unary<DiscardUploadResponse>('DiscardUpload', { uploadId: kept.id });

  assert.equal(discarded.status, 'OK');
  assert.deepEqual((await first(admin)).uploads, []);
  const again = await admin.unary('DiscardUpload', { uploadId: kept.id });
  assert.deepEqual(again, { status: 'NOT_FOUND', code: 'UPLOAD_NOT_FOUND' });
});

test('the audit has what was done to which transfer and upload, also without access rules', async (t) => {
  const log = new LineLog();
  const server = await startServer(t, { writable: true }, { logger: log });
  const { admin, call, ended, id } = await heldDownload(t, server);
  const started = await server.client().unary('StartUpload', { fileName: 'new' });
  const uploadId = String(started.answer?.uploadId);

  await admin.unary('CancelTransfer', { id });
  await admin.unary('DiscardUpload', { uploadId });
  call.resume();
  await within('its end', ended);

  const audits = log.lines.filter(({ message }) => message === 'audit') as unknown as Affected[];
  assert.deepEqual(
    audits.map(({ file, id: affected, result, what }) => [what, affected, file, result]),
    [
      ['CancelTransfer', id, 'large', 'OK'],
      ['DiscardUpload', uploadId, 'new', 'OK'],
    ],
  );
});

test('the client library does not go on with what an operator has ended', async (t) => {
  const server = await startServer(t, { writable: true });
  const admin = new AdminClient(t, server.address);
  server.write('large', noise(4, 64 * MIB));
  const client = new SluiceClient(server.address);
  t.after(() => client.close());
  const isEnded = { code: 'CANCELLED_BY_OPERATOR' };

  const chunks = client.stream('large')[Symbol.asyncIterator]();
  await chunks.next();
  const download = await within(
    'a download',
    admin.transfer(({ method }) => method === 'StreamFile'),
  );
  await admin.unary('CancelTransfer', { id: download.id });
  const readOn = async () => {
    while (!(await chunks.next()).done);
  };
  await assert.rejects(within('its end', readOn()), isEnded);

  const source = new PassThrough();
  source.write(Buffer.alloc(100_000));
  const uploaded = client.upload(source, 'new');
  const upload = await within(
    'an upload',
    admin.transfer(({ method }) => method === 'UploadFile'),
  );
  await Promise.all([
    assert.rejects(within('its end', uploaded), isEnded),
    admin.unary('CancelTransfer', { id: upload.id }),
  ]);
  assert.equal(countersOf(server.server).calls.value('StreamFile', 'CANCELLED_BY_OPERATOR'), 1);
  assert.equal(countersOf(server.server).calls.value('UploadFile', 'CANCELLED_BY_OPERATOR'), 1);
});

test('a request that is out of bounds is refused', async (t) => {
  const server = await startServer(t);
  const admin = new AdminClient(t, server.address);

  for (const request of [
    { intervalMs: 199 },
    { intervalMs: 60_001 },
    { maxTransfers: 1001 },
    { maxUploads: -1 },
  ]) {
    const [failure] = await Promise.allSettled([admin.seen(request, (snapshot) => snapshot)]);
    assert.match(String((failure as PromiseRejectedResult).reason), /INVALID_ARGUMENT/);
  }
});

test('watchers are few, and who leaves makes room', async (t) => {
  const server = await startServer(t);
  const admin = new AdminClient(t, server.address);
  const watchers = Array.from({ length: 16 }, () => admin.watch());
  for (const watcher of watchers) await within('it watches', watcher.next());

  await assert.rejects(first(admin), /RESOURCE_EXHAUSTED: 16 observers/);
  await watchers[0]?.return();
  await until('its call is over', () => server.server.stats().standingCalls === 15);

  assert.ok(await first(admin));
  for (const watcher of watchers) await watcher.return();
});

test('peers behind a trusted proxy have no rights without access rules', async (t) => {
  const server = await startServer(t, { limits: { trustedProxies: '127.0.0.1' } });
  const admin = new AdminClient(t, server.address);
  const refused = { status: 'PERMISSION_DENIED', code: 'PERMISSION_DENIED' };

  assert.deepEqual(await admin.unary<GetHistoryResponse>('GetHistory', {}), refused);
  assert.deepEqual(await admin.unary('GetConfig', {}), refused);
  assert.deepEqual(await admin.unary('CancelTransfer', { id: 'any' }), refused);
  assert.deepEqual(await admin.unary('DiscardUpload', { uploadId: 'any' }), refused);
  await assert.rejects(first(admin), /PERMISSION_DENIED/);
});
