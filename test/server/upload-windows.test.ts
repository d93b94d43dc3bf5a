import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { MIN_WINDOW_BYTES } from '../../src/base/limits.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { configSchema } from '../../src/config/schema.ts';
import { ReceiveWindows } from '../../src/flow/windows/receive-windows.ts';
import { StaticWindows } from '../../src/flow/windows/static-windows.ts';
import { uploadWindows } from '../../src/server/upload-windows.ts';
import { noise } from '../support/content.ts';
import type { Answered, RawClient } from '../support/peers/raw-client.ts';
import { startServer } from '../support/test-server.ts';
import { until, within } from '../support/until.ts';

const WRITABLE = { writable: true, limits: { uploadStreams: 256 } };

function never(): Promise<boolean> {
  throw new Error('there is nothing to test');
}

test('uploads get windows that follow the link where that works', async () => {
  const { windows } = await uploadWindows(configSchema.parse(WRITABLE), silentLogger, async () => true);
  assert.ok(windows instanceof ReceiveWindows);
  windows.close();
});

test('where it does not work, uploads get a size within the budget, and the log a warning', async () => {
  const warnings: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
  const config = configSchema.parse({ ...WRITABLE, uploads: { windowBudget: 64 * MIB } });
  const { windows } = await uploadWindows(config, logger, async () => false);
  assert.ok(windows instanceof StaticWindows);
  assert.equal(windows.stats().largestWindowBytes, 256 * KIB);
  assert.deepEqual(warnings, [{ node: process.version, windowBytes: 256 * KIB }]);
});

test('where it does not work, a limit that is raised makes them smaller, also on sessions that live', async (t) => {
  const config = configSchema.parse({ ...WRITABLE, uploads: { windowBudget: 64 * MIB } });
  const { limitTo, windows } = await uploadWindows(config, silentLogger, async () => false);
  const server = createServer().on('stream', (stream: ServerHttp2Stream) => {
    windows.follow(stream);
    stream.respond();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => {
    client.destroy();
    server.close();
  });
  const windowIs = (bytes: number) =>
    until(`the window is ${bytes}`, () => client.remoteSettings.initialWindowSize === bytes);
  const call = client.request({ ':method': 'POST' });
  await once(call, 'response');
  await windowIs(256 * KIB);
  limitTo(512);
  await windowIs(128 * KIB);
  assert.equal(windows.stats().largestWindowBytes, 128 * KIB);
  limitTo(256);
  await windowIs(256 * KIB);
});

test('a size that is set is not tested', async () => {
  const config = configSchema.parse({ ...WRITABLE, uploads: { window: '2MiB' } });
  const { windows } = await uploadWindows(config, silentLogger, never);
  assert.equal(windows.stats().largestWindowBytes, 2 * MIB);
});

test('a server that takes no uploads tests nothing, whatever is set', async () => {
  for (const uploads of [{}, { window: '2MiB' }]) {
    const { windows } = await uploadWindows(configSchema.parse({ uploads }), silentLogger, never);
    assert.equal(windows.stats().largestWindowBytes, MIN_WINDOW_BYTES);
  }
});

test('calls behind an upload that a read-only server refused are answered on the same connection', async (t) => {
  const server = await startServer(t);
  server.write('a', noise(1, KIB));
  const client = server.client();
  for (const refused of ['UploadFile', 'StartUpload', 'UploadFile']) {
    const end =
      refused === 'UploadFile'
        ? await refusedUpload(client)
        : await within('the refusal', client.unary(refused, { fileName: 'b' }));
    assert.equal(end.code, 'READ_ONLY');
    // Its window is the one that the refused call would have changed.
    const size = await within('the answer', client.unary('GetFileSize', { fileName: 'a' }));
    assert.equal(size.answer?.size, String(KIB));
  }
});

async function refusedUpload(client: RawClient): Promise<Answered> {
  const { call, ended } = client.clientStream('UploadFile');
  call.write({ start: { fileName: 'b' } });
  return await within('the refusal', ended);
}
