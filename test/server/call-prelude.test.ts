/** What stands in front of every call, asked of every method that the server says it serves. */
import assert from 'node:assert/strict';
import type { ClientHttp2Stream } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';
import { MAX_STANDING_CALLS } from '../../src/base/limits.ts';
import { noise } from '../support/content.ts';
import { LineLog } from '../support/line-log.ts';
import { methodOf } from '../support/peers/raw-client.ts';
import { answerOf, framed, RawSession } from '../support/peers/raw-http2.ts';
import { MIB, type Settings, startServer, type TestServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

/** The limits that calls count against, as `stats()` names them. */
const KINDS = ['calls', 'streams', 'uploadStreams', 'standingCalls'] as const;

type Kind = (typeof KINDS)[number];

interface Method {
  path: string;
  kind: Kind;
  /** Its answer ends only with the call. */
  isEndless: boolean;
}

async function served(
  t: TestContext,
  settings: Settings = {},
): Promise<{ server: TestServer; raw: RawSession; log: LineLog }> {
  const log = new LineLog();
  const server = await startServer(t, { writable: true, ...settings }, { logger: log });
  return { server, raw: new RawSession(t, server.port), log };
}

/** What reflection lists, with the kind of place that a method of its shape takes. */
async function methodsOf(t: TestContext, server: TestServer): Promise<Method[]> {
  const listed = await reflected(t, server, { listServices: '*' });
  const { service } = listed.listServicesResponse as { service: { name: string }[] };
  const methods: Method[] = [];
  for (const { name } of service) {
    const { fileDescriptorResponse } = await reflected(t, server, { fileContainingSymbol: name });
    const { fileDescriptorProto } = fileDescriptorResponse as { fileDescriptorProto: Buffer[] };
    const definitions = loadFileDescriptorSetFromBuffer(
      Buffer.concat(fileDescriptorProto.flatMap((file) => [Buffer.of(0x0a), varint(file.length), file])),
    );
    for (const method of Object.values(definitions[name] as ServiceDefinition)) {
      const isOwn = name === 'sluice.v1.TransferService';
      methods.push({
        path: method.path,
        kind: kindOf(method, isOwn),
        isEndless: method.path.endsWith('Watch'),
      });
    }
  }
  return methods;
}

function kindOf({ requestStream, responseStream }: MethodDefinition<object, object>, isOwn: boolean): Kind {
  if (!requestStream && !responseStream) return 'calls';
  if (!isOwn) return 'standingCalls';
  return responseStream ? 'streams' : 'uploadStreams';
}

function varint(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.concat([Buffer.of((value & 127) | 128), varint(value >> 7)]);
}

async function reflected(
  t: TestContext,
  server: TestServer,
  question: object,
): Promise<Record<string, unknown>> {
  const file = new URL(
    '../proto/grpc/reflection/v1/reflection.proto',
    import.meta.resolve('@grpc/reflection'),
  );
  const { ServerReflectionInfo } = loadSync(fileURLToPath(file), { oneofs: true })[
    'grpc.reflection.v1.ServerReflection'
  ] as ServiceDefinition;
  const { path, requestSerialize, responseDeserialize } = ServerReflectionInfo as MethodDefinition<
    object,
    object
  >;
  const client = new Client(server.address, credentials.createInsecure());
  t.after(() => client.close());
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const answer = new Promise<object>((resolve, reject) => call.once('data', resolve).once('error', reject));
  call.end(question);
  return (await within('an answer of reflection', answer)) as Record<string, unknown>;
}

function activeOf(server: TestServer): Record<Kind, number> {
  const { calls, streams, uploadStreams, standingCalls } = server.server.stats();
  return { calls, streams, uploadStreams, standingCalls };
}

const NOTHING: Record<Kind, number> = { calls: 0, streams: 0, uploadStreams: 0, standingCalls: 0 };

/** One call with a request of defaults only, from its headers to its end; nothing else is called meanwhile. */
async function callOnce(server: TestServer, raw: RawSession, method: Method, requestId: string) {
  await until('nobody has a place', () => sum(activeOf(server)) === 0);
  const stream = raw.open(method.path, { 'x-request-id': requestId });
  const answer = answerOf(stream);
  await until(`${method.path} has its place`, () => sum(activeOf(server)) > 0);
  assert.deepEqual(activeOf(server), { ...NOTHING, [method.kind]: 1 });
  stream.end(framed(Buffer.alloc(0)));
  if (method.isEndless) {
    await within('it begins', new Promise((resolve) => stream.once('data', resolve)));
    stream.close();
  }
  return await within(`the end of ${method.path}`, answer);
}

function sum(active: Record<Kind, number>): number {
  return KINDS.reduce((total, kind) => total + active[kind], 0);
}

test('a call of any method takes and returns its place, leaves one line in the log, and is answered with its id', async (t) => {
  const { server, raw, log } = await served(t);
  const methods = await methodsOf(t, server);
  assert.equal(methods.length, 12 + 5 + 3 + 1 + 1, 'transfers, admin, health, reflection, reflection of old');
  for (const method of methods) {
    const requestId = `id-of:${method.path.slice(1)}`;
    const { headers } = await callOnce(server, raw, method, requestId);
    assert.equal(headers['x-request-id'], requestId);
    await until('its line is there', () => log.of(requestId).length > 0);
  }
  await server.untilIdle();
  assert.deepEqual(activeOf(server), NOTHING);
  for (const { path, isEndless } of methods) {
    const [line, ...others] = log.of(`id-of:${path.slice(1)}`);
    assert.deepEqual(others, []);
    assert.ok(line?.method && path.endsWith(line.method), `${path} is called ${line?.method}`);
    // No name and no id are valid names and ids.
    assert.ok(line.result !== undefined && line.result !== 'INTERNAL', line.result);
    if (isEndless) assert.equal(line.result, 'CANCELLED');
  }
});

test('a call of any method that finds no place is refused with its id, and leaves one line', async (t) => {
  const { server, raw, log } = await served(t, {
    limits: { calls: 1, streams: 1, uploadStreams: 1, streamsPerConnection: 256 },
  });
  const methods = await methodsOf(t, server);
  await until('nobody has a place', () => sum(activeOf(server)) === 0);
  const limits: Record<Kind, number> = {
    calls: 1,
    streams: 1,
    uploadStreams: 1,
    standingCalls: MAX_STANDING_CALLS,
  };
  const held: ClientHttp2Stream[] = [];
  for (const kind of KINDS) {
    const { path } = methods.find((method) => method.kind === kind) as Method;
    for (let index = 0; index < limits[kind]; index += 1) held.push(raw.open(path));
  }
  await until('all places are taken', () => sum(activeOf(server)) === held.length);
  for (const { path } of methods) {
    const requestId = `id-of:${path.slice(1)}`;
    const answer = await answerOf(
      raw.request(path, framed(Buffer.alloc(0)), { 'x-request-id': requestId }).resume(),
    );
    assert.deepEqual(
      [answer.headers['grpc-status'], answer.headers['sluice-code'], answer.headers['x-request-id']],
      ['8', 'RESOURCE_EXHAUSTED', requestId],
    );
    assert.deepEqual(
      log.of(requestId).map(({ result }) => result),
      ['RESOURCE_EXHAUSTED'],
    );
  }
  assert.deepEqual(activeOf(server), limits);
  raw.destroy();
  await until('nobody has a place', () => sum(activeOf(server)) === 0);
  // Those that held the places had no handler.
  const cancelled = () => log.lines.filter(({ result }) => result === 'CANCELLED').length;
  await until('each has its line', () => cancelled() >= Math.min(held.length, 50));
});

test('a request without a usable id gets one, the same in the answer and the log', async (t) => {
  const { server, raw, log } = await served(t);
  const message = framed(Buffer.alloc(0));
  for (const given of [{}, { 'x-request-id': 'with "quotes"' }, { 'x-request-id': 'x'.repeat(129) }]) {
    const { headers } = await answerOf(raw.request('GetFileSize', message, given).resume());
    const requestId = String(headers['x-request-id']);
    assert.match(requestId, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    await until('its line is there', () => log.of(requestId).length === 1);
  }
  await server.untilIdle();
});

test('a method that is not served leaves a line without a name of the peer for it', async (t) => {
  const { raw, log } = await served(t);
  const { headers } = await answerOf(
    raw.request('/other.Service/Do', framed(Buffer.alloc(0)), { 'x-request-id': 'one' }).resume(),
  );
  assert.equal(headers['grpc-status'], '12');
  await until('its line is there', () => log.of('one').length > 0);
  const [line, ...others] = log.of('one');
  assert.deepEqual(others, []);
  assert.deepEqual(
    [line?.method, line?.path, line?.result, line?.message],
    ['unknown', '/other.Service/Do', 'UNIMPLEMENTED', 'unknown ended'],
  );
});

test('a call that its client cancels in the middle, or that fails, says so in its one line', async (t) => {
  const { server, raw, log } = await served(t);
  server.write('file', noise(1, 4 * MIB));
  const message = framed(methodOf('StreamFile').requestSerialize({ fileName: 'file' }));
  const download = raw.request('StreamFile', message, { 'x-request-id': 'cut' });
  await within('it begins', new Promise((resolve) => download.once('response', resolve)));
  download.close(8);
  const gone = new RawSession(t, server.port);
  gone.open('GetFileSize', { 'x-request-id': 'early' });
  await until('it has its place', () => activeOf(server).calls === 1);
  gone.destroy();
  const { headers } = await answerOf(
    raw.request('GetFileSize', framed(Buffer.of(0xff)), { 'x-request-id': 'torn' }).resume(),
  );
  assert.equal(headers['sluice-code'], 'INVALID_ARGUMENT');
  await until('its line is there', () => log.of('torn').length > 0);
  await server.untilIdle();
  assert.deepEqual(
    ['cut', 'early', 'torn'].flatMap((id) => log.of(id)).map(({ method, result }) => [method, result]),
    [
      ['StreamFile', 'CANCELLED'],
      ['GetFileSize', 'CANCELLED'],
      ['GetFileSize', 'INVALID_ARGUMENT'],
    ],
  );
});

test('as many health watchers as there may be keep no call out', async (t) => {
  const { server, raw } = await served(t, { limits: { calls: 1, streamsPerConnection: 256 } });
  const watch = () => raw.request('/grpc.health.v1.Health/Watch', framed(Buffer.alloc(0)));
  const watchers = Array.from({ length: MAX_STANDING_CALLS }, watch);
  await Promise.all(
    watchers.map((stream) => within('a status', new Promise((resolve) => stream.once('data', resolve)))),
  );
  const refused = await answerOf(watch().resume());
  assert.equal(refused.headers['sluice-code'], 'RESOURCE_EXHAUSTED');
  for (const path of ['/grpc.health.v1.Health/Check', '/grpc.health.v1.Health/List']) {
    const { headers } = await answerOf(raw.request(path, framed(Buffer.alloc(0))).resume());
    assert.equal(headers['grpc-status'], '0');
    await until('its place is free', () => server.server.stats().calls === 0);
  }
});
