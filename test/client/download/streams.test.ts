/** Downloads into Node and WHATWG streams: back-pressure, ends and failures of the target. */
import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { CHUNK_BYTES, clientOf, collect, failureOf, someFile, startServer, until } from '../fixtures.ts';
import { first } from './honest-messages.ts';

test('writes into a Writable and ends it', async (t) => {
  const file = someFile();
  const client = clientOf(t, await startServer(t, { a: file }));
  const target = new PassThrough();
  const [bytes, result] = await Promise.all([collect(target), client.download('a', target)]);
  assert.deepEqual(bytes, file.content);
  assert.equal(result.verified, true);
  assert.ok(target.writableFinished);
});

test('leaves a Writable open when told so', async (t) => {
  const file = someFile();
  const client = clientOf(t, await startServer(t, { a: file }));
  const parts: Buffer[] = [];
  const target = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      setImmediate(done);
    },
  });
  await client.download('a', target, { end: false });
  await client.download('a', target, { end: false, limit: 5 });
  assert.deepEqual(Buffer.concat(parts), Buffer.concat([file.content, file.content.subarray(0, 5)]));
  assert.ok(target.writable);
  assert.deepEqual(target.eventNames(), []);
});

test('reads no further than a Writable takes', async (t) => {
  const file = someFile('v1', 4096 * CHUNK_BYTES);
  const server = await startServer(t, { a: file });
  let sent = 0;
  server.scripts.push({
    messages: function* (honest) {
      for (const message of honest) {
        sent += message.chunk?.byteLength ?? 0;
        yield message;
      }
    },
  });
  const client = clientOf(t, server, { windowBytes: 65_535 });
  const abort = new AbortController();
  const taken: Uint8Array[] = [];
  const target = new Writable({
    write(chunk: Uint8Array) {
      taken.push(chunk);
    },
  });
  target.on('error', () => {});
  const download = failureOf(client.download('a', target, { signal: abort.signal }));
  await until(() => taken.length > 0);
  for (let before = -1; before !== sent; ) {
    before = sent;
    // Long enough for anything that still moves to show; what is asserted is an upper bound.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(sent < 100 * CHUNK_BYTES, `${sent} bytes were sent to a reader that took one chunk`);
  abort.abort();
  assert.equal((await download).code, 'CANCELLED');
});

test('fails with LOCAL_IO, keeping the cause, when a Writable fails', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const cause = Object.assign(new Error('broken pipe'), { code: 'EPIPE' });
  const target = new Writable({ write: (_chunk, _encoding, done) => done(cause) });
  const failure = await failureOf(clientOf(t, server).download('a', target));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.equal(failure.cause, cause);
  await until(() => server.openCalls === 0);
});

test('fails with LOCAL_IO when a Writable is closed early', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { messages: first(3), ending: 'hang' };
  const target = new Writable({
    write(_chunk, _encoding, done) {
      done();
      this.destroy();
    },
  });
  assert.equal((await failureOf(clientOf(t, server).download('a', target))).code, 'LOCAL_IO');
  assert.equal((await failureOf(clientOf(t, server).download('a', target))).code, 'LOCAL_IO');
});

test('destroys a Writable that did not get everything', async (t) => {
  const server = await startServer(t, {});
  const target = new PassThrough();
  assert.equal((await failureOf(clientOf(t, server).download('a', target))).code, 'NOT_FOUND');
  assert.ok(target.destroyed);
});

test('writes into a WritableStream and closes it', async (t) => {
  const file = someFile();
  const client = clientOf(t, await startServer(t, { a: file }));
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const [bytes] = await Promise.all([collect(readable), client.download('a', writable)]);
  assert.deepEqual(bytes, file.content);
});

test('leaves a WritableStream open and unlocked when told so', async (t) => {
  const file = someFile();
  const client = clientOf(t, await startServer(t, { a: file }));
  let bytes = 0;
  const target = new WritableStream<Uint8Array>({
    write(chunk) {
      bytes += chunk.byteLength;
    },
  });
  await client.download('a', target, { end: false });
  assert.equal(bytes, file.content.byteLength);
  await target.getWriter().close();
});

test('fails with LOCAL_IO when a WritableStream fails', async (t) => {
  const client = clientOf(t, await startServer(t, { a: someFile() }));
  const target = new WritableStream<Uint8Array>({
    write() {
      throw new Error('no room');
    },
  });
  const failure = await failureOf(client.download('a', target));
  assert.equal(failure.code, 'LOCAL_IO');
  assert.match(failure.message, /no room/);
});

test('aborts a WritableStream that did not get everything', async (t) => {
  const client = clientOf(t, await startServer(t, {}));
  const reasons: unknown[] = [];
  const target = new WritableStream<Uint8Array>({
    abort(reason) {
      reasons.push(reason);
    },
  });
  const failure = await failureOf(client.download('a', target));
  assert.equal(failure.code, 'NOT_FOUND');
  assert.deepEqual(reasons, [failure]);
});
