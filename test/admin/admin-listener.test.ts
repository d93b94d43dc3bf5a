/** The HTTP listener of operators, asked as Prometheus, a probe and a browser ask. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { countersOf, SluiceServer } from '../../src/server/server.ts';
import type { GetConfigResponse, WatchResponse } from '../../src/wire/admin-messages.ts';
import { accessFile, Tokens } from '../access/tokens.ts';
import { noise } from '../support/content.ts';
import { LineLog } from '../support/line-log.ts';
import { endOf } from '../support/peers/raw-client.ts';
import { scratchRoot } from '../support/scratch.ts';
import { MIB, type Settings, startServer, type TestServer, testConfig } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const PROMTOOL = '/usr/bin/promtool';

/** A server with its listener for operators; `fetch` asks that. */
async function served(
  t: TestContext,
  settings: Settings = {},
  logger: Logger = silentLogger,
): Promise<{
  server: TestServer;
  base: string;
  ask: (path: string, init?: RequestInit) => Promise<Response>;
}> {
  const server = await startServer(
    t,
    { admin: { listen: '127.0.0.1:0' }, writable: true, ...settings },
    { logger },
  );
  const base = `http://${server.server.adminAddress}`;
  return { server, base, ask: (path, init) => within(path, fetch(base + path, init)) };
}

/** The values of a scrape by name and labels, as they are written. */
async function scraped(ask: (path: string) => Promise<Response>): Promise<Map<string, number>> {
  const text = await (await ask('/metrics')).text();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test('a scrape has what the server has counted', async (t) => {
  const { server, ask } = await served(t);
  server.write('file', noise(1, 2 * MIB));
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
  assert.equal((await server.client().fetch({ fileName: 'none' })).code, 'NOT_FOUND');

  const values = await scraped(ask);

  assert.equal(values.get('sluice_sent_bytes_total{form="raw",coding="identity"}'), 2 * MIB);
  assert.equal(values.get('sluice_calls_total{method="StreamFile",code="NOT_FOUND"}'), 1);
  assert.equal(values.get('sluice_slabs{state="free"}'), server.config.slab.count);
  assert.equal(values.get('sluice_uploads_open'), 0);
  const jobs = values.get('sluice_job_seconds_count{kind="fill"}') ?? 0;
  assert.ok(jobs > 0);
  assert.equal(values.get('sluice_job_seconds_bucket{kind="fill",le="+Inf"}'), jobs);
  assert.ok((values.get('sluice_storage_seconds_sum{operation="read"}') ?? 0) > 0);
  assert.ok((values.get('process_resident_memory_bytes') ?? 0) > 0);
});

test('promtool finds nothing wrong with a scrape', { skip: !existsSync(PROMTOOL) }, async (t) => {
  const { ask } = await served(t);
  const text = await (await ask('/metrics')).text();

  const child = execFile(PROMTOOL, ['check', 'metrics']);
  let said = '';
  child.stderr?.on('data', (part: string) => {
    said += part;
  });
  child.stdin?.end(text);
  const [exitCode] = (await within('promtool', once(child, 'close'))) as [number];

  // Exit code 3: the linter has an opinion on names, which for those of Node and prom-client are not ours.
  const ours = said.split('\n').filter((line) => line.startsWith('sluice_'));
  assert.deepEqual(ours, []);
  assert.ok(exitCode === 0 || exitCode === 3, said);
});

test('is live and ready, and not ready when its directory is gone', async (t) => {
  const { server, ask } = await served(t);
  assert.equal((await ask('/livez')).status, 200);
  assert.equal((await ask('/readyz')).status, 200);

  renameSync(server.root, `${server.root}-elsewhere`);

  let answer = await ask('/readyz');
  while (answer.status === 200) answer = await ask('/readyz');
  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /directory is gone/);
  assert.equal((await ask('/livez')).status, 200);
});

test('is not ready while it drains', async (t) => {
  const { server, ask } = await served(t);
  server.write('large', noise(1, 64 * MIB));
  const call = server.client().stream({ fileName: 'large' });
  call.once('data', () => call.pause());
  await until('a transfer is under way', () => server.server.stats().transfers === 1);

  const stopped = server.server.stop(60_000);
  const answer = await ask('/readyz');

  assert.equal(answer.status, 503);
  assert.equal(await answer.text(), 'draining\n');
  call.cancel();
  await within('it stops', stopped);
});

test('is not ready from the beginning of the pause, in which it still serves', async (t) => {
  const { server, ask } = await served(t, { shutdown: { pause: '3s' } });
  server.write('file', noise(1, MIB));

  const stopped = server.server.stop(0);
  const answer = await ask('/readyz');

  assert.equal(answer.status, 503);
  assert.equal((await server.client().fetch({ fileName: 'file' })).status, 'OK');
  await within('it stops', stopped);
});

test('JSON has what the gRPC service says', async (t) => {
  const { server, ask } = await served(t);

  const snapshot = (await (await ask('/api/snapshot')).json()) as WatchResponse;
  const { settings } = (await (await ask('/api/config')).json()) as GetConfigResponse;
  const history = await (await ask('/api/history')).json();

  assert.equal(snapshot.slabs?.count, server.config.slab.count);
  assert.equal(settings.find(({ key }) => key === 'writable')?.value, 'true');
  assert.deepEqual(history, { points: [], intervalMs: 5000 });
});

test('snapshots follow each other as server-sent events', async (t) => {
  const { ask } = await served(t);
  const { body, headers } = await ask('/api/watch?intervalMs=200');
  assert.equal(headers.get('content-type'), 'text/event-stream');
  const reader = (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const times: number[] = [];
  let text = '';
  while (times.length < 3) {
    const { value = '', done } = await within('an event', reader.read());
    assert.equal(done, false);
    text += value;
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events)
      times.push((JSON.parse(event.replace(/^data: /, '')) as WatchResponse).timeMs);
  }
  await reader.cancel();

  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('a button ends a transfer and discards an upload', async (t) => {
  const { server, ask } = await served(t);
  server.write('large', noise(1, 64 * MIB));
  const call = server.client().stream({ fileName: 'large' });
  call.once('data', () => call.pause());
  const ended = endOf(call);
  await until('a transfer is under way', () => server.server.stats().transfers === 1);
  const started = await server.client().unary('StartUpload', { fileName: 'new' });
  const uploadId = String(started.answer?.uploadId);
  const { transfers, uploads } = (await (await ask('/api/snapshot')).json()) as WatchResponse;
  assert.deepEqual(
    uploads.map(({ id, name }) => [id, name]),
    [[uploadId, 'new']],
  );
  const button = { method: 'POST', headers: { 'sluice-admin': '1' } };

  const cancelled = await ask(`/api/transfers/${transfers[0]?.id}/cancel`, button);
  const discarded = await ask(`/api/uploads/${uploadId}/discard`, button);
  call.resume();

  assert.deepEqual([cancelled.status, await cancelled.json()], [200, { cancelled: 1 }]);
  assert.equal(discarded.status, 200);
  assert.equal((await within('its end', ended)).code, 'CANCELLED_BY_OPERATOR');
  const status = await server.client().unary('GetUploadStatus', { uploadId });
  assert.equal(status.code, 'UPLOAD_NOT_FOUND');
});

test('other web sites cannot use the browser of an operator', async (t) => {
  const { server, base, ask } = await served(t);
  const started = await server.client().unary('StartUpload', { fileName: 'new' });
  const path = `/api/uploads/${String(started.answer?.uploadId)}/discard`;

  const simple = await ask(path, { method: 'POST', body: 'a=b' });
  const preflight = await ask(path, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-headers': 'sluice-admin' },
  });
  const rebound = await rawRequest(base, 'GET /api/snapshot HTTP/1.1\r\nHost: evil.example:50052\r\n\r\n');

  assert.equal(simple.status, 403);
  assert.equal(preflight.headers.get('access-control-allow-origin'), null);
  assert.notEqual(preflight.status, 204);
  assert.match(rebound, /^HTTP\/1\.1 403 /);
  assert.equal((await server.client().unary('GetUploadStatus', started.answer ?? {})).status, 'OK');
});

test('every answer keeps what it has out of caches and frames', async (t) => {
  const { ask } = await served(t);
  for (const path of ['/api/snapshot', '/metrics', '/livez', '/none']) {
    const { headers } = await ask(path);
    assert.equal(headers.get('cache-control'), 'no-store', path);
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, path);
  }
});

test('a request that is wrong is refused with a reason', async (t) => {
  const { ask } = await served(t);
  for (const [path, status] of [
    ['/api/watch?intervalMs=1', 400],
    ['/api/snapshot?intervalMs=x', 400],
    ['/api/none', 404],
  ] as const) {
    assert.equal((await ask(path)).status, status, path);
  }
  const gone = await ask('/api/transfers/none/cancel', { method: 'POST', headers: { 'sluice-admin': '1' } });
  assert.deepEqual([gone.status, ((await gone.json()) as { code: string }).code], [404, 'NOT_FOUND']);
});

test('with access rules a token decides what a request may do', async (t) => {
  const tokens = new Tokens();
  const access = accessFile(t, {
    tokens: tokens.section(['prometheus', 'operator', 'other']),
    rules: [
      { who: ['prometheus', 'operator'], may: ['observe'] },
      { who: ['operator'], may: ['control'] },
    ],
  });
  const { ask } = await served(t, { access: access.path });
  const as = (identity: string, init: RequestInit = {}) => ({
    ...init,
    headers: { ...init.headers, authorization: `Bearer ${tokens.of(identity)}` },
  });
  const button = { method: 'POST', headers: { 'sluice-admin': '1' } };

  assert.equal((await ask('/readyz')).status, 200);
  assert.equal((await ask('/metrics', as('prometheus'))).status, 200);
  assert.equal((await ask('/metrics', as('other'))).status, 403);
  assert.equal((await ask('/metrics', { headers: { authorization: 'Bearer wrong' } })).status, 401);
  const nobody = await ask('/metrics');
  assert.deepEqual([nobody.status, nobody.headers.get('www-authenticate')], [401, 'Bearer']);
  // NOT_FOUND is said to those who may end transfers only.
  assert.equal((await ask('/api/transfers/none/cancel', as('prometheus', button))).status, 403);
  assert.equal((await ask('/api/transfers/none/cancel', as('operator', button))).status, 404);
  const { events } = (await (await ask('/api/snapshot', as('prometheus'))).json()) as WatchResponse;
  assert.deepEqual(
    events.map(({ code }) => code),
    ['PERMISSION_DENIED', 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'PERMISSION_DENIED', 'NOT_FOUND'],
  );
});

test('the audit has what operators may not do, and what they did', async (t) => {
  const tokens = new Tokens();
  const access = accessFile(t, {
    tokens: tokens.section(['operator', 'other']),
    rules: [{ who: ['operator'], may: ['control'] }],
  });
  const log = new LineLog(true);
  const { ask, server } = await served(t, { access: access.path }, log);
  const as = (identity: string) => ({
    method: 'POST',
    headers: {
      'sluice-admin': '1',
      authorization: `Bearer ${tokens.of(identity)}`,
      'x-request-id': identity,
    },
  });

  await ask('/api/transfers/one/cancel', as('other'));
  await ask('/api/transfers/two/cancel', as('operator'));

  const audits = log.lines.filter(({ message }) => message === 'audit').map((line) => ({ ...line }));
  const told = audits.map(({ level, peer, ...rest }: Record<string, unknown>) => {
    assert.match(String(peer), /^127\.0\.0\.1:\d+$/);
    return rest;
  });
  const common = { message: 'audit', proof: 'token' };
  assert.deepEqual(told, [
    { ...common, identity: 'other', what: 'control', requestId: 'other', result: 'PERMISSION_DENIED' },
    {
      ...common,
      identity: 'operator',
      what: 'CancelTransfer',
      id: 'two',
      requestId: 'operator',
      result: 'NOT_FOUND',
    },
  ]);
  assert.equal(countersOf(server.server).accessRefusals.value('control'), 1);
});

test('a watcher whose token is taken away sees nothing more', async (t) => {
  const tokens = new Tokens();
  const rules = [{ who: ['operator'], may: ['observe'] }];
  const access = accessFile(t, { tokens: tokens.section(['operator']), rules });
  const { ask, server } = await served(t, { access: access.path });
  const headers = { authorization: `Bearer ${tokens.of('operator')}` };
  const { body } = await ask('/api/watch?intervalMs=200', { headers });
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  assert.equal((await within('an event', reader.read())).done, false);

  access.write({ tokens: tokens.section(['operator']), rules: [] });
  await server.server.reload(server.config);

  const ended = (async () => {
    while (!(await reader.read()).done);
  })();
  await within('the stream ends', ended);
});

test('peers that come through a trusted proxy see nothing without access rules', async (t) => {
  const { ask } = await served(t, { limits: { trustedProxies: '127.0.0.1' } });
  for (const path of ['/metrics', '/api/snapshot', '/api/watch', '/api/history', '/api/config']) {
    assert.equal((await ask(path)).status, 403, path);
  }
  assert.equal((await ask('/livez')).status, 200);
});

test('an address that was asked for and is taken is refused; the server does not start', async (t) => {
  const { base } = await served(t);
  const taken = new URL(base).host;
  const server = new SluiceServer(testConfig(scratchRoot(t), { admin: { listen: taken } }));

  await assert.rejects(server.start(), {
    code: 'INVALID_CONFIG',
    message: /admin\.listen .* another process/,
  });
});

test('the default address, taken, costs a warning and the listener only', async (t) => {
  const holder = createServer();
  // Whoever has it, it is taken.
  const taken = new Promise((resolve) => holder.once('listening', resolve).once('error', resolve));
  holder.listen(50_052, '127.0.0.1');
  await taken;
  t.after(() => holder.close());
  const warnings: string[] = [];
  const warn = (_fields: object, message: string) => void warnings.push(message);
  const server = await startServer(t, { admin: {} }, { logger: { ...silentLogger, warn } });

  await until('it warns', () => warnings.some((message) => /no metrics and probes/.test(message)));

  assert.equal(server.server.adminAddress, null);
  assert.equal((await server.client().unary('StatFile', { fileName: 'none' })).code, 'NOT_FOUND');
});

async function rawRequest(base: string, request: string): Promise<string> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.on('data', (part) => {
    answer += part;
    socket.end();
  });
  socket.write(request);
  await within('an answer', once(socket, 'close'));
  return answer;
}
