/** Spans of a client and of its server, as an SDK of OpenTelemetry gets them. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as openTelemetry from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { SluiceClient } from '../../src/index.ts';
import { assertBytes, joined, lines, noise } from '../support/content.ts';
import { RawExchange } from '../support/peers/raw-exchange.ts';
import { startRelay } from '../support/relay.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { runSluice } from '../support/sluice-process.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();

function traced(t: TestContext, address: string): SluiceClient {
  const retry = { attempts: 100, initialBackoffMs: 5, maxBackoffMs: 50 };
  const client = new SluiceClient(address, { openTelemetry, ownConnection: true, retry });
  t.after(() => client.close());
  return client;
}

/** The client's span of an operation on a file, once it has ended. */
async function spanOf(name: string, file: string): Promise<ReadableSpan> {
  const isIt = ({ attributes, kind, name: own }: ReadableSpan) =>
    kind === openTelemetry.SpanKind.CLIENT && own === name && attributes['sluice.file'] === file;
  await until('the span has ended', () => exporter.getFinishedSpans().some(isIt));
  return exporter.getFinishedSpans().find(isIt) as ReadableSpan;
}

/** The server's spans below it that have ended. */
function childrenOf(span: ReadableSpan): ReadableSpan[] {
  const { spanId, traceId } = span.spanContext();
  return exporter
    .getFinishedSpans()
    .filter((each) => each.parentSpanContext?.spanId === spanId && each.spanContext().traceId === traceId);
}

test('a download has a span, its interruptions, and a span of the server for each attempt', async (t) => {
  const server = await startServer(
    t,
    { compression: { level: 9 }, connection: { maxAge: 150, maxAgeGrace: 1 } },
    { openTelemetry },
  );
  const content = server.write('cut', joined(lines(40 * MIB), noise(1, 8 * MIB)));
  const target = join(scratchDirectory(t), 'copy');
  const result = await traced(t, server.address).download('cut', target);
  assertBytes(readFileSync(target), content, 0);
  assert(result.attempts > 1, 'the connection was never cut');
  const span = await spanOf('sluice download', 'cut');
  assert.equal(span.kind, openTelemetry.SpanKind.CLIENT);
  assert.equal(span.status.code, openTelemetry.SpanStatusCode.UNSET);
  assert.equal(span.attributes['sluice.bytes'], content.size);
  assert.equal(span.attributes['sluice.attempts'], result.attempts);
  const interrupted = span.events.filter(({ name }) => name === 'interrupted');
  assert.equal(interrupted.length, result.attempts - 1);
  assert.equal(interrupted[0]?.attributes?.code, 'UNAVAILABLE');
  await until('each attempt has its span', () => childrenOf(span).length === result.attempts);
  assert(
    childrenOf(span).every(
      ({ kind, name }) => kind === openTelemetry.SpanKind.SERVER && name === 'sluice StreamFile',
    ),
  );
});

test('an upload has a span, and one of the server for each of its calls', async (t) => {
  const server = await startServer(t, { writable: true }, { openTelemetry });
  const bytes = Buffer.alloc(3 * MIB, 'lines of text ');
  await traced(t, server.address).upload(bytes, 'sent', { connections: 1 });
  const span = await spanOf('sluice upload', 'sent');
  assert.equal(span.attributes['sluice.bytes'], bytes.length);
  assert(span.events.some(({ name, attributes }) => name === 'sent' && attributes?.codings !== undefined));
  await until('all of its calls have ended', () => childrenOf(span).length >= 2);
  assert.deepEqual(
    childrenOf(span)
      .map(({ name }) => name)
      .sort(),
    ['sluice StartUpload', 'sluice UploadFile'],
  );
});

test('a call that fails says so in both spans, and with the id that the error has', async (t) => {
  const server = await startServer(t, {}, { openTelemetry });
  const error = await traced(t, server.address)
    .stat('absent')
    .then(
      () => assert.fail(),
      (reason) => reason,
    );
  const span = await spanOf('sluice StatFile', 'absent');
  await until('the call has ended', () => childrenOf(span).length === 1);
  const [call] = childrenOf(span);
  for (const each of [span, call]) {
    assert.equal(each?.status.code, openTelemetry.SpanStatusCode.ERROR);
    assert.equal(each?.attributes['sluice.code'], 'NOT_FOUND');
  }
  assert.equal(call?.attributes['sluice.request_id'], error.requestId);
});

test('each request of a session has a span, and one of the server below it', async (t) => {
  const server = await startServer(t, { writable: true }, { openTelemetry });
  const content = server.write('in-session', lines(200_000));
  const session = traced(t, server.address).session();
  const tracer = openTelemetry.trace.getTracer('test');
  await tracer.startActiveSpan('a program', async (program) => {
    await Promise.all([
      session.read('in-session').buffer(),
      session.write('written', Buffer.from('some bytes')),
      assert.rejects(session.stat('not-there'), { code: 'NOT_FOUND' }),
    ]);
    program.end();
    await session.close();
    for (const [name, file, bytes] of [
      ['read', 'in-session', content.size],
      ['write', 'written', undefined],
      ['stat', 'not-there', undefined],
    ] as const) {
      const span = await spanOf(`sluice ${name}`, file);
      assert.equal(span.parentSpanContext?.spanId, program.spanContext().spanId);
      assert.equal(span.attributes['sluice.bytes'], bytes);
      await until('the server has served it', () => childrenOf(span).length === 1);
      const [served] = childrenOf(span);
      assert.equal(served?.name, `sluice Exchange ${name}`);
      assert.equal(served?.attributes['sluice.file'], file);
      assert.equal(typeof served?.attributes['sluice.request_id'], 'string');
      const code = name === 'stat' ? 'NOT_FOUND' : undefined;
      for (const each of [span, served]) assert.equal(each?.attributes['sluice.code'], code);
    }
  });
});

test('a request of a session notes the stream that was lost under it', async (t) => {
  const server = await startServer(t, {}, { openTelemetry });
  const content = server.write('cut-in-session', noise(1, 4 * MIB));
  const relay = await startRelay(t, server.port);
  relay.cutAfterBytes.push(MIB);
  const session = traced(t, relay.address).session();
  const bytes = await session.read('cut-in-session').buffer();
  assertBytes(Buffer.from(bytes), content, 0);
  await session.close();
  const span = await spanOf('sluice read', 'cut-in-session');
  assert.deepEqual(
    span.events.map(({ attributes, name }) => [name, attributes?.code]),
    [['interrupted', 'UNAVAILABLE']],
  );
  await until('both attempts have their spans', () => childrenOf(span).length === 2);
});

test('a peer that sends no trace gets its requests traced below its stream', async (t) => {
  const server = await startServer(t, {}, { openTelemetry });
  server.write('of-a-stranger', lines(1000));
  const exchange = new RawExchange(server.address);
  t.after(() => exchange.close());
  const id = exchange.ask({ stat: { fileName: 'of-a-stranger' } });
  assert.equal(await exchange.endOf(id), 'OK');
  exchange.close();
  const find = (name: string) =>
    exporter
      .getFinishedSpans()
      .find((each) => each.name === name && each.attributes['sluice.file'] === 'of-a-stranger');
  await until('it has ended', () => find('sluice Exchange stat') !== undefined);
  const parentId = find('sluice Exchange stat')?.parentSpanContext?.spanId;
  const isParent = (each: ReadableSpan) => each.spanContext().spanId === parentId;
  await until('its stream has ended', () => exporter.getFinishedSpans().some(isParent));
  assert.equal(exporter.getFinishedSpans().find(isParent)?.name, 'sluice Exchange');
});

test('the command line traces where its process has an SDK', async (t) => {
  const server = await startServer(t, {}, { openTelemetry });
  server.write('by-hand', lines(1000));
  const directory = scratchDirectory(t);
  const register = join(directory, 'register.mjs');
  const found = (module: string) => JSON.stringify(fileURLToPath(import.meta.resolve(module)));
  writeFileSync(
    register,
    `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const { NodeTracerProvider } = require(${found('@opentelemetry/sdk-trace-node')});
new NodeTracerProvider().register();
`,
  );
  const target = join(directory, 'copy');
  const { code, stderr } = await runSluice(t, ['get', '-q', `${server.address}/by-hand`, '-o', target], {
    env: { NODE_OPTIONS: `--import ${register}` },
  });
  assert.equal(code, 0, stderr);
  await until('the server has a span', () =>
    exporter.getFinishedSpans().some(({ attributes }) => attributes['sluice.file'] === 'by-hand'),
  );
  const call = exporter.getFinishedSpans().find(({ attributes }) => attributes['sluice.file'] === 'by-hand');
  assert(call?.parentSpanContext !== undefined, 'it is a child of the span of the command');
});

test('--trace shows what gRPC does, and is silent without', async (t) => {
  const server = await startServer(t);
  server.write('file', lines(10));
  const plain = await runSluice(t, ['stat', `${server.address}/file`]);
  assert.equal(plain.stderr, '');
  const { code, stderr } = await runSluice(t, ['stat', '--trace', `${server.address}/file`]);
  assert.equal(code, 0);
  assert.match(stderr, /StatFile/);
  assert.match(stderr, /subchannel/);
});
