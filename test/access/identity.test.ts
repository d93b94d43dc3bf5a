/** Who a caller is to a server, for how long, and what follows from that. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { countersOf } from '../../src/server/server.ts';
import { noise } from '../support/content.ts';
import { type Line, LineLog } from '../support/line-log.ts';
import { endOf, firstMessage, type RawClient } from '../support/peers/raw-client.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { answerOf, RawSession } from '../support/peers/raw-http2.ts';
import { expectedOf } from '../support/peers/raw-upload.ts';
import { scratchRoot } from '../support/scratch.ts';
import { MIB, type Settings, STORES, startServer, type TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { accessFile, Tokens } from './tokens.ts';

const EVERYTHING = { may: ['read', 'list', 'write', 'delete'], on: ['**'] };

const HEALTH = '/grpc.health.v1.Health/Check';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';

interface Scene {
  readonly server: TestServer;
  readonly tokens: Tokens;
  readonly log: LineLog;
  client(identity: string): RawClient;
  write(content: object): void;
}

function auditsOf(log: LineLog): Readonly<Record<string, unknown>>[] {
  return log.lines.filter(({ message }) => message === 'audit').map((line) => ({ ...line }));
}

/** `identities` have tokens. */
async function served(
  t: TestContext,
  identities: readonly string[],
  rules: readonly object[],
  settings: Settings = {},
): Promise<Scene> {
  const tokens = new Tokens();
  const file = accessFile(t, { tokens: tokens.section(identities), rules });
  const log = new LineLog(true);
  const server = await startServer(t, { writable: true, access: file.path, ...settings }, { logger: log });
  return {
    server,
    tokens,
    log,
    client: (identity) => server.client({}, tokens.of(identity)),
    write: file.write,
  };
}

/** The gRPC status of a call without a message. */
async function statusOf(
  raw: RawSession,
  path: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const stream = raw.open(path, headers);
  stream.end(Buffer.alloc(5));
  return Number((await answerOf(stream)).headers['grpc-status']);
}

test('health is for everybody, reflection for those with a name', async (t) => {
  const { server, tokens } = await served(t, ['ci'], [{ who: ['everyone'], ...EVERYTHING }]);
  const raw = new RawSession(t, server.port);

  assert.equal(await statusOf(raw, HEALTH), 0);
  assert.equal(await statusOf(raw, REFLECTION), 16);
  assert.equal(await statusOf(raw, REFLECTION, { authorization: `Bearer ${tokens.of('ci')}` }), 0);
});

test('what is no bearer token is UNAUTHENTICATED, also where everyone may', async (t) => {
  const { server, tokens } = await served(t, ['ci'], [{ who: ['everyone'], ...EVERYTHING }]);
  server.write('a', noise(1, 10));
  const raw = new RawSession(t, server.port);
  const token = tokens.of('ci');

  for (const authorization of [
    '',
    token,
    `Basic ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token.slice(1)}`,
    `Bearer ${token} ${token}`,
  ])
    assert.equal(await statusOf(raw, 'StatFile', { authorization }), 16, authorization.slice(0, 9));
  assert.notEqual(await statusOf(raw, 'StatFile', { authorization: `bearer ${token}` }), 16);
  assert.notEqual(await statusOf(raw, 'StatFile'), 16);
});

test('wrong tokens cost the connection as other bad requests do', async (t) => {
  const { server } = await served(t, ['ci'], [], { limits: { streamsPerConnection: 4 } });
  const raw = new RawSession(t, server.port);
  let isClosed = false;
  raw.session.once('close', () => {
    isClosed = true;
  });

  for (let calls = 0; calls < 64 && !isClosed; calls++) {
    const stream = raw.open('StatFile', { authorization: 'Bearer wrong' });
    stream.end(Buffer.alloc(5));
    await answerOf(stream);
  }

  assert.ok(isClosed, 'the connection is closed for cause');
  const { closings } = server.server.stats();
  assert.ok(closings.wastedStreams > 0);
  assert.equal(closings.refused, 0, 'no call lacked a place');
});

test('calls are counted by identity, and told of with it', async (t) => {
  const { client, log, server, tokens } = await served(
    t,
    ['ci', 'bob'],
    [{ who: ['authenticated'], ...EVERYTHING }],
  );
  server.write('a', noise(1, 10));

  assert.equal((await client('ci').unary('StatFile', { fileName: 'a' })).status, 'OK');
  await until('the line of the call', () => log.lines.some(({ method }) => method === 'StatFile'));

  const line = log.lines.find(({ method }) => method === 'StatFile') as Line & { identity: string };
  assert.equal(line.identity, 'ci');
  for (const identity of ['ci', 'bob'])
    assert.ok(!JSON.stringify(log.lines).includes(tokens.of(identity)), 'no line has a token');
});

test('places are shared by identities, also of callers from one address', async (t) => {
  const rules = [{ who: ['authenticated'], ...EVERYTHING }];
  const { client, server } = await served(t, ['ci', 'bob'], rules, { limits: { streams: 2 } });
  server.write('large', noise(1, 16 * MIB));
  const begin = async (identity: string) => {
    const call = client(identity).stream({ fileName: 'large' });
    const end = endOf(call);
    await firstMessage(call);
    return { call, end };
  };
  const own = [await begin('ci'), await begin('ci')];
  await begin('bob');
  const refused = client('bob').stream({ fileName: 'large' });
  refused.resume();

  assert.equal((await endOf(refused)).code, 'RESOURCE_EXHAUSTED', 'bob has a share of one');
  for (const { call } of own) call.resume();
  const codes = await Promise.all(own.map(({ end }) => end));
  assert.deepEqual(codes.map(({ code, status }) => code || status).sort(), ['EVICTED', 'OK']);
});

test('a listing leaves out what may not be listed, and shows the way to what may', async (t) => {
  const { client, server } = await served(
    t,
    ['ci', 'bob'],
    [
      { who: ['ci'], may: ['list'], on: ['a/b/**', 'home/{identity}/*.txt'] },
      { who: ['bob'], may: ['read'], on: ['**'] },
    ],
  );
  for (const name of [
    'a/b/x',
    'a/b/c/y',
    'a/secret',
    'z/secret',
    'home/ci/1.txt',
    'home/ci/1.bin',
    'home/bob/1.txt',
  ]) {
    mkdirSync(server.at(name.slice(0, name.lastIndexOf('/'))), { recursive: true });
    server.write(name, noise(1, 1));
  }
  const list = async (identity: string, prefix: string, recursive = false) => {
    const call = client(identity).serverStream('ListFiles', { prefix, recursive });
    const names: string[] = [];
    call.on('data', ({ entries }: { entries: { name: string }[] }) =>
      names.push(...entries.map(({ name }) => name)),
    );
    const { code, status } = await endOf(call);
    return status === 'OK' ? names : code;
  };

  assert.deepEqual(await list('ci', ''), ['a', 'home']);
  assert.deepEqual(await list('ci', '', true), [
    'a',
    'a/b',
    'a/b/c',
    'a/b/c/y',
    'a/b/x',
    'home',
    'home/ci',
    'home/ci/1.txt',
  ]);
  assert.deepEqual(await list('ci', 'a/b/c'), ['a/b/c/y']);
  assert.equal(await list('ci', 'z'), 'PERMISSION_DENIED');
  assert.equal(await list('ci', 'nothing'), 'PERMISSION_DENIED', 'as what is there');
  assert.equal(await list('ci', 'home/bob'), 'PERMISSION_DENIED');
  assert.equal(await list('bob', ''), 'PERMISSION_DENIED');
});

test('a missing name is told without names that are there', async (t) => {
  const { client, server } = await served(t, ['ci'], [{ who: ['ci'], may: ['read'], on: ['a/secreu'] }]);
  mkdirSync(server.at('a'));
  server.write('a/secret', noise(1, 1));

  const { code, details } = await client('ci').unary('StatFile', { fileName: 'a/secreu' });

  assert.equal(code, 'NOT_FOUND');
  assert.doesNotMatch(details, /secret/);
});

for (const store of STORES) {
  test(`an upload is that of the identity that began it, over a restart too (${store})`, async (t) => {
    const tokens = new Tokens();
    const { path } = accessFile(t, {
      tokens: tokens.section(['ci', 'bob']),
      rules: [{ who: ['everyone'], ...EVERYTHING }],
    });
    const root = scratchRoot(t);
    const content = noise(1, 1000);
    const first = await startServer(t, { writable: true, access: path }, { root, store });
    const begun = await first
      .client({}, tokens.of('ci'))
      .unary('StartUpload', { fileName: 'f', expected: expectedOf(content) });
    const uploadId = String(begun.answer?.uploadId);
    let server = first;
    if (store === 'local') {
      const { call, ended } = first.client({}, tokens.of('ci')).clientStream('UploadFile');
      call.write({ uploadId, chunk: content.bytes(0, 500) });
      call.end();
      assert.equal((await ended).status, 'OK');
      await first.server.stop(0);
      server = await startServer(t, { writable: true, access: path }, { root, store });
    }
    const ask = (token?: string) => server.client({}, token).unary('GetUploadStatus', { uploadId });

    assert.equal((await ask(tokens.of('bob'))).code, 'UPLOAD_NOT_FOUND');
    assert.equal((await ask()).code, 'UPLOAD_NOT_FOUND');
    assert.equal(
      (await ask(tokens.of('bob'))).details,
      (await server.client({}, tokens.of('bob')).unary('GetUploadStatus', { uploadId: 'f'.repeat(32) }))
        .details,
      'told as of one that never was',
    );
    const own = await ask(tokens.of('ci'));
    assert.equal(own.status, 'OK');
    if (store === 'local') assert.equal(Number(own.answer?.committedSize), 500);

    const spec = { fileName: 'f', uploadId, expected: expectedOf(content) };
    const stolen = await server.client({}, tokens.of('bob')).unary('StartUpload', spec);
    assert.equal(
      stolen.code,
      'INVALID_ARGUMENT',
      'the same id and wish by another identity is another upload',
    );
  });
}

test('a running upload of one identity is not joined by another, and ends with the right to write', async (t) => {
  const { client, server, tokens, write } = await served(
    t,
    ['ci', 'bob'],
    [{ who: ['authenticated'], ...EVERYTHING }],
  );
  const content = noise(1, 1000);
  const begun = await client('ci').unary('StartUpload', { fileName: 'f', expected: expectedOf(content) });
  const uploadId = String(begun.answer?.uploadId);
  const { call, ended } = client('ci').clientStream('UploadFile');
  call.write({ uploadId, chunk: content.bytes(0, 500) });
  await until('the upload is live', () => server.server.stats().uploads === 1);

  const { call: other, ended: otherEnded } = client('bob').clientStream('UploadFile');
  other.write({ uploadId, chunk: content.bytes(0, 500) });
  other.end();
  assert.equal((await otherEnded).code, 'UPLOAD_NOT_FOUND');

  write({ tokens: tokens.section(), rules: [{ who: ['ci'], may: ['read'], on: ['**'] }] });
  await server.server.reload(server.config);
  assert.equal((await client('ci').unary('FinishUpload', { uploadId })).code, 'PERMISSION_DENIED');
  call.end();
  await ended;
});

test('a token that is taken away ends what runs under it, and nothing else', async (t) => {
  const { client, log, server, tokens, write } = await served(
    t,
    ['ci', 'bob'],
    [{ who: ['authenticated'], ...EVERYTHING }],
  );
  server.write('large', noise(1, 16 * MIB));
  const running = await Promise.all(
    ['ci', 'bob'].map(async (identity) => {
      const call = client(identity).stream({ fileName: 'large' });
      const end = endOf(call);
      await firstMessage(call);
      return { call, end };
    }),
  );
  const exchange = new RawExchange(server.address, tokens.of('ci'));
  t.after(() => exchange.close());
  const { call: upload, ended } = client('ci').clientStream('UploadFile');
  upload.write({ start: { fileName: 'up' }, chunk: Buffer.alloc(10) });
  await until(
    'all of them run',
    () => server.server.stats().streams === 3 && server.server.stats().uploads === 1,
  );

  write({ tokens: tokens.section(['bob']), rules: [{ who: ['authenticated'], ...EVERYTHING }] });

  assert.equal(await exchange.ended(), 'UNAUTHENTICATED');
  assert.ok(log.lines.some(({ message }) => /access file has changed/.test(message)));
  const { code, details } = await ended;
  assert.equal(code, 'UNAUTHENTICATED');
  assert.match(details, /token/);
  for (const { call } of running) call.resume();
  const [ci, bob] = await Promise.all(running.map(({ end }) => end));
  assert.equal(ci?.code, 'UNAUTHENTICATED');
  assert.equal(bob?.status, 'OK');
  await server.untilIdle();
});

test('a reload has the file in force at once, and another file too, but no server without one', async (t) => {
  const { client, server, tokens, write } = await served(t, ['ci', 'bob'], [{ who: ['ci'], ...EVERYTHING }]);
  server.write('a', noise(1, 1));
  const mayRead = async () => {
    const codes = [];
    for (const identity of ['ci', 'bob'])
      codes.push((await client(identity).unary('StatFile', { fileName: 'a' })).status);
    return codes;
  };
  assert.deepEqual(await mayRead(), ['OK', 'PERMISSION_DENIED']);

  write({ tokens: tokens.section(), rules: [{ who: ['bob'], ...EVERYTHING }] });
  await server.server.reload(server.config);
  assert.deepEqual(await mayRead(), ['PERMISSION_DENIED', 'OK']);

  const other = accessFile(t, {
    tokens: tokens.section(),
    rules: [{ who: ['authenticated'], ...EVERYTHING }],
  });
  await server.server.reload({ ...server.config, access: other.path });
  assert.deepEqual(await mayRead(), ['OK', 'OK']);

  await server.server.reload({ ...server.config, access: '' });
  assert.equal((await server.client().unary('StatFile', { fileName: 'a' })).status, 'UNAUTHENTICATED');
});

test('a file with a mistake leaves the rules in force', async (t) => {
  const { client, log, server, tokens, write } = await served(t, ['ci'], [{ who: ['ci'], ...EVERYTHING }]);
  server.write('a', noise(1, 1));

  write({ tokens: tokens.section(['ci']), rules: [{ who: ['cj'], may: ['reed'], on: ['**'] }] });
  await until('the mistake is told', () => log.lines.some(({ message }) => /cannot be used/.test(message)));

  const told = log.lines.find(({ message }) => /cannot be used/.test(message)) as Line & { problem: string };
  assert.match(told.problem, /rules\[0\]\.may\[0\]/);
  assert.equal((await client('ci').unary('StatFile', { fileName: 'a' })).status, 'OK');
});

test('an expired token ends what runs under it', async (t) => {
  const tokens = new Tokens();
  const expires = new Date(Date.now() + 2_500).toISOString();
  const [entry] = tokens.section(['ci']);
  const { path } = accessFile(t, {
    tokens: [{ ...entry, expires }],
    rules: [{ who: ['ci'], ...EVERYTHING }],
  });
  const server = await startServer(t, { access: path });
  server.write('large', noise(1, 16 * MIB));
  const client = server.client({}, tokens.of('ci'));
  const call = client.stream({ fileName: 'large' });
  const end = endOf(call);
  await firstMessage(call);

  const exchange = new RawExchange(server.address, tokens.of('ci'));
  t.after(() => exchange.close());

  assert.equal(await exchange.ended(), 'UNAUTHENTICATED');
  call.resume();

  const { code, details } = await end;
  assert.equal(code, 'UNAUTHENTICATED');
  assert.match(details, /expired; get a new one, and resume/);
  assert.equal((await client.unary('StatFile', { fileName: 'large' })).code, 'UNAUTHENTICATED');
});

test('the audit has refusals and changes, by whom and in which request', async (t) => {
  const { client, log, server } = await served(t, ['ci'], [{ who: ['ci'], ...EVERYTHING, on: ['ours/**'] }]);
  const own = client('ci');
  await own.unary('MakeDirectory', { fileName: 'ours/d' });
  const { call, ended } = own.clientStream('UploadFile');
  call.write({ start: { fileName: 'ours/f' }, finish: true });
  call.end();
  await ended;
  await own.unary('DeleteFile', { fileName: 'ours/f' });
  await own.unary('DeleteFile', { fileName: 'ours/f' });
  await own.unary('StatFile', { fileName: 'theirs' });
  await server.client().unary('StatFile', { fileName: 'ours/f' });

  const { accessRefusals } = countersOf(server.server);
  assert.equal(accessRefusals.value('read'), 1);
  assert.equal(accessRefusals.value('call'), 1);
  const told = auditsOf(log).map(({ file, identity, result, what }) => [identity, what, file, result]);
  assert.deepEqual(told, [
    ['ci', 'write', 'ours/d', 'OK'],
    ['ci', 'write', 'ours/f', 'OK'],
    ['ci', 'delete', 'ours/f', 'OK'],
    ['ci', 'delete', 'ours/f', 'NOT_FOUND'],
    ['ci', 'read', 'theirs', 'PERMISSION_DENIED'],
    ['anonymous', 'StatFile', undefined, 'UNAUTHENTICATED'],
  ]);
  for (const { peer, proof, requestId } of auditsOf(log)) {
    assert.match(String(peer), /^127\.0\.0\.1:\d+$/);
    assert.match(String(proof), /^(?:token|anonymous)$/);
    assert.ok(requestId);
  }
});
