/** A server that is made to do, refuse and suffer everything that it counts. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Counters } from '../../src/base/counters/counters.ts';
import { SluiceClient } from '../../src/index.ts';
import { countersOf, engineOf } from '../../src/server/server.ts';
import { lines, noise } from '../support/content.ts';
import { fromAddress } from '../support/peers/from-address.ts';
import { methodOf, RawClient } from '../support/peers/raw-client.ts';
import { answerOf, framed, RawSession } from '../support/peers/raw-http2.ts';
import { MIB, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

/** The names of metrics that have shown another number than 0. */
class Moved {
  readonly #counters: Counters;
  readonly names = new Set<string>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Looks now; for gauges, which fall back to 0. */
  look(): void {
    for (const { name, total } of this.#counters.all) if (total !== 0) this.names.add(name);
    for (const { name, count } of this.#counters.histograms) if (count !== 0) this.names.add(name);
  }
}

/** Counted by servers with an access file, or before a bucket: test/access and test/storage/s3 hold them. */
const BY_OTHER_SERVERS: ReadonlySet<string> = new Set([
  'sluice_access_refusals_total',
  'sluice_limit_refusals_total',
  'sluice_second_reads_total',
]);

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function clientOf(t: TestContext, server: TestServer): SluiceClient {
  const client = new SluiceClient(server.address, { windowBytes: MIB });
  t.after(() => client.close());
  return client;
}

test('everything that is declared is counted: a server moves each of its counters', async (t) => {
  const server = await startServer(
    t,
    {
      writable: true,
      limits: { streams: 2 },
      stream: { stallTimeout: 1000, stallLinger: 100 },
    },
    { logger: { ...silent, droppedLines: 3 } },
  );
  const counters = countersOf(server.server);
  const moved = new Moved(counters);
  const client = clientOf(t, server);

  const content = server.write('text', lines(4 * MIB));
  let bytes = 0;
  for await (const chunk of client.stream('text')) {
    bytes += chunk.length;
    moved.look();
  }
  assert.equal(bytes, content.size);
  assert.equal(counters.calls.value('StreamFile', 'OK'), 1);
  assert.equal(sumOf(counters.sentBytes, 'raw'), content.size);
  assert.ok(sumOf(counters.sentBytes, 'wire') > 0);

  const session = client.session();
  assert.equal((await session.stat('text')).size, content.size);
  await session.close();
  assert.equal(counters.exchangeRequests.value('stat', 'OK'), 1);

  const upload = noise(1, 3 * MIB);
  await client.upload(Buffer.from(upload.bytes(0, upload.size)), 'copy', {
    onProgress: () => moved.look(),
  });
  assert.equal(sumOf(counters.receivedBytes, 'raw'), upload.size);
  assert.equal(counters.receivedBytes.value('wire', 'identity'), upload.size);
  assert.ok(counters.uploadCommits.value('committed') > 0);
  assert.ok(counters.uploadSyncs.total > counters.uploadCommits.total, 'journal and directories too');

  // Two that read nothing: one stalls, one loses its place, and others of their address are refused.
  server.write('noise', noise(2, 4 * MIB));
  const raw = new RawSession(t, server.port, { initialWindowSize: 1000 });
  const unread = [0, 1].map(() => raw.call('StreamFile', { fileName: 'noise' }).pause());
  await within('both begin', Promise.all(unread.map((each) => once(each, 'response'))));
  const refused = await server.client().fetch({ fileName: 'text' });
  assert.equal(refused.code, 'RESOURCE_EXHAUSTED');
  assert.equal(counters.calls.value('StreamFile', 'RESOURCE_EXHAUSTED'), 1);
  assert.equal(counters.refusals.value('streams'), 1);
  const other = new RawClient(await fromAddress(t, server.port, '127.0.0.2'));
  t.after(() => other.close());
  assert.equal((await other.fetch({ fileName: 'text' })).status, 'OK');
  assert.equal(counters.evictions.value('streams'), 1);
  await until('the other has stalled', () => counters.stalls.value('download') === 1);
  const ends = () => [
    counters.calls.value('StreamFile', 'STALLED'),
    counters.calls.value('StreamFile', 'EVICTED'),
  ];
  await until('both are over', () => ends().every((times) => times === 1));
  moved.look();

  // More failures of one kind than the log takes within a second, and something that is not gRPC.
  const absent = framed(methodOf('GetFileSize').requestSerialize({ fileName: 'absent' }));
  const failing = new RawSession(t, server.port);
  await Promise.all(
    Array.from({ length: 100 }, () => answerOf(failing.request('GetFileSize', absent).resume())),
  );
  await until('each is counted', () => counters.calls.value('GetFileSize', 'NOT_FOUND') === 100);
  const foreign = connect(server.port, '127.0.0.1');
  foreign.on('error', () => {});
  foreign.end('GET / HTTP/1.1\r\n\r\n');
  await until('it is told so', () => counters.closings.value('foreign') === 1);

  await engineOf(server.server)?.workers.killThread();
  await until('its death is counted', () => counters.workerDeaths.total === 1);
  moved.look();

  assert.deepEqual(
    [...counters.all, ...counters.histograms]
      .map(({ name }) => name)
      .filter((name) => !moved.names.has(name) && !BY_OTHER_SERVERS.has(name)),
    [],
  );
  const { closings, log, slabs } = server.server.stats();
  assert.equal(closings.foreign, 1);
  assert.equal(log.droppedLines, 3);
  assert.equal(log.leftOutLines, counters.logLines.value('leftOut'));
  assert.equal(slabs.count, server.config.slab.count);
});

function once(stream: NodeJS.EventEmitter, event: string): Promise<unknown> {
  return new Promise((resolve) => stream.once(event, resolve));
}

/** Over all codings. */
function sumOf(bytes: Counters['sentBytes'], form: string): number {
  return [...bytes.samples()]
    .filter(({ labels }) => labels[0] === form)
    .reduce((sum, { value }) => sum + value, 0);
}
