/** A failure that a client reports can be found in the log of the server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceClient, TransferError } from '../../src/index.ts';
import { lines } from '../support/content.ts';
import { LineLog } from '../support/line-log.ts';
import { RawSession } from '../support/peers/raw-http2.ts';
import { startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

test('the error of a call of any kind has the id that its line in the log of the server has', async (t) => {
  const log = new LineLog();
  const server = await startServer(t, {}, { logger: log });
  const client = new SluiceClient(server.address, { retry: { attempts: 1, initialBackoffMs: 1 } });
  t.after(() => client.close());
  const calls: Record<string, () => Promise<unknown>> = {
    GetFileSize: () => client.getFileSize('absent'),
    StatFile: () => client.stat('absent'),
    StreamFile: () => client.stream('absent').next(),
    ListFiles: () => client.list('absent').next(),
    StartUpload: () => client.upload(Buffer.alloc(1_000_000), 'new', { connections: 1 }),
    DeleteFile: () => client.delete('absent'),
  };
  for (const [method, call] of Object.entries(calls)) {
    const error = await call().then(
      () => assert.fail(`${method} went well`),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof TransferError);
    const { code, requestId } = error;
    assert.ok(requestId !== undefined, `${method} has an id`);
    await until('its line is there', () => log.of(requestId).length > 0);
    assert.deepEqual(
      log.of(requestId).map((line) => [line.method, line.result]),
      [[method, code]],
    );
  }
  const ids = log.lines.map(({ requestId }) => requestId);
  assert.equal(new Set(ids).size, ids.length, 'each call has an id of its own');
});

test('a transfer that finds no place at first says which call was refused', async (t) => {
  const log = new LineLog();
  const server = await startServer(t, { limits: { streams: 1 } }, { logger: log });
  const content = server.write('file', lines(100));
  const raw = new RawSession(t, server.port);
  raw.open('StreamFile');
  await until('the place is taken', () => server.server.stats().streams === 1);
  const told: { code?: string; requestId?: string }[] = [];
  const info = (fields: object) => {
    told.push(fields);
    raw.destroy();
  };
  const logger = { debug() {}, info, warn() {}, error() {} };
  const client = new SluiceClient(server.address, { logger, retry: { initialBackoffMs: 1 } });
  t.after(() => client.close());
  let bytes = 0;
  for await (const chunk of client.stream('file')) bytes += chunk.length;
  assert.equal(bytes, content.size);
  assert.equal(told[0]?.code, 'RESOURCE_EXHAUSTED');
  assert.deepEqual(
    log.of(String(told[0]?.requestId)).map((line) => [line.method, line.result]),
    [['StreamFile', 'RESOURCE_EXHAUSTED']],
  );
});
