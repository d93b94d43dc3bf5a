/** Interruptions a transfer survives by itself, and the ones it must not survive. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, TransferError } from '../../../src/base/errors.ts';
import { startRelay } from '../../support/relay.ts';
import {
  CHUNK_BYTES,
  clientOf,
  collect,
  failureOf,
  scratchDirectory,
  someFile,
  startServer,
} from '../fixtures.ts';
import { fetchesInTwoCalls } from './fetches-in-two-calls.ts';
import { first } from './honest-messages.ts';
import { type Script, ScriptedServer } from './scripted-server.ts';

/** An error as a server sends it that knows only gRPC's own codes. */
function bare(code: ErrorCode): TransferError & { isBare: boolean } {
  return Object.assign(new TransferError(code, 'no'), { isBare: true });
}

const INTERRUPTIONS: Record<string, Script> = {
  'a cut connection': { messages: first(5), ending: 'cut' },
  'a cut connection before the first message': { messages: first(0), ending: 'cut' },
  'a stream that ends too early with OK': { messages: first(5), ending: 'ok' },
  'a stream without its summary': { messages: first(22), ending: 'ok' },
  UNAVAILABLE: { messages: first(5), ending: new TransferError('UNAVAILABLE', 'draining') },
  STALLED: { messages: first(5), ending: new TransferError('STALLED', 'too slow') },
  'CANCELLED by the peer': { messages: first(5), ending: new TransferError('CANCELLED', 'reset') },
  'a reset with CANCEL': { messages: first(5), ending: 'reset' },
  'ABORTED without a reason': { messages: first(5), ending: bare('STALLED') },
  'FAILED_PRECONDITION without a reason': { messages: first(5), ending: bare('VERSION_MISMATCH') },
  RESOURCE_EXHAUSTED: { messages: first(5), ending: new TransferError('RESOURCE_EXHAUSTED', 'busy') },
};

for (const [interruption, script] of Object.entries(INTERRUPTIONS)) {
  test(`resumes after ${interruption}`, async (t) => {
    await fetchesInTwoCalls(t, script);
  });
}

test('takes a file for changed after a bare FAILED_PRECONDITION only when its version is another', async (t) => {
  const file = someFile();
  const newer = someFile('v2');
  const server = await startServer(t, { a: file });
  const path = join(await scratchDirectory(t), 'a');
  server.scripts.push({ messages: first(5), ending: bare('VERSION_MISMATCH') });
  server.scripts.push({
    before: () => {
      server.files.set('a', newer);
      throw bare('VERSION_MISMATCH');
    },
  });
  const result = await clientOf(t, server).download('a', path);
  assert.deepEqual(await readFile(path), newer.content);
  assert.equal(result.version, 'v2');
  assert.ok((server.requests[1]?.start ?? 0) > 0, 'resumed while the version was the same');
  assert.equal(server.requests[2]?.start, 0);
});

test('does not pass a reset by the server off as a wish of the caller', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { messages: first(0), ending: 'reset' };
  const failure = await failureOf(collect(clientOf(t, server, { retry: { attempts: 3 } }).stream('a')));
  assert.equal(failure.code, 'ABORTED');
  assert.match(failure.message, /cancelled the call/);
});

test('resumes from the next byte, pinned to the version', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.scripts.push({ messages: first(5), ending: 'cut' });
  await collect(clientOf(t, server).stream('a', { start: 10, limit: 15 * CHUNK_BYTES }));
  const [, second] = server.requests;
  const received = (second?.start ?? 0) - 10;
  assert.ok(received >= 0 && received <= 4 * CHUNK_BYTES);
  assert.equal(second?.limit, 15 * CHUNK_BYTES - received);
  if (received > 0) assert.equal(second?.ifMatch, 'v1');
});

test('resumes when the socket dies at any byte', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  const relay = await startRelay(t, server.port);
  relay.cutAfterBytes.push(70_000, 1, 9, 50, 300, 16_390, 99_999);
  const client = clientOf(t, relay.address);
  assert.deepEqual(await collect(client.stream('a')), file.content);
  assert.equal(relay.cutAfterBytes.length, 0);
});

test('resumes when the server comes back on its address', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.scripts.push({ messages: first(5), ending: 'hang' });
  const client = clientOf(t, server, { retry: { attempts: 1000, maxBackoffMs: 20 } });
  let revived: Promise<ScriptedServer> | undefined;
  const received: Uint8Array[] = [];
  for await (const chunk of client.stream('a')) {
    received.push(chunk);
    if (received.length === 4) revived = revive(server, file);
  }
  assert.deepEqual(Buffer.concat(received), file.content);
  await (await revived)?.close();
});

async function revive(server: ScriptedServer, file: ReturnType<typeof someFile>): Promise<ScriptedServer> {
  const { port } = server;
  await server.close();
  return await ScriptedServer.start({ a: file }, port);
}

const FATAL: ErrorCode[] = [
  'INVALID_NAME',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'NOT_A_FILE',
  'OUT_OF_RANGE',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'UNIMPLEMENTED',
  'DATA_LOSS',
];

for (const code of FATAL) {
  test(`does not try again after ${code}`, async (t) => {
    const server = await startServer(t, { a: someFile() });
    server.defaultScript = { messages: first(3), ending: new TransferError(code, 'no') };
    const failure = await failureOf(collect(clientOf(t, server).stream('a')));
    assert.equal(failure.code, code);
    assert.equal(server.requests.length, 1);
  });
}

test('gives up after so many attempts without a new byte', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.scripts.push({ messages: first(5), ending: new TransferError('RESOURCE_EXHAUSTED', 'busy') });
  server.defaultScript = { messages: first(1), ending: new TransferError('RESOURCE_EXHAUSTED', 'busy') };
  const client = clientOf(t, server, { retry: { attempts: 4 } });
  assert.equal((await failureOf(collect(client.stream('a')))).code, 'RESOURCE_EXHAUSTED');
  assert.equal(server.requests.length, 5);
});

test('goes on for any number of attempts while bytes arrive', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.defaultScript = { messages: first(2), ending: new TransferError('UNAVAILABLE', 'draining') };
  const client = clientOf(t, server, { retry: { attempts: 2 } });
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.stream('a')) {
    chunks.push(chunk);
    if (chunks.length === 20) server.defaultScript = {};
  }
  assert.deepEqual(Buffer.concat(chunks), file.content);
});

test('cancels and resumes a call that stalls, asking for smaller chunks', async (t) => {
  const file = someFile('v1', 8 * 64 * 1024);
  const server = await startServer(t, { a: file });
  server.scripts.push(
    { messages: first(3), ending: 'hang' },
    { messages: first(1), ending: 'hang' },
    { messages: first(0), ending: 'hang' },
  );
  const client = clientOf(t, server, { stallTimeoutMs: 500, chunkBytes: 64 * 1024 });
  assert.deepEqual(await collect(client.stream('a')), file.content);
  assert.deepEqual(
    server.requests.map(({ chunkSize }) => chunkSize),
    [65_536, 65_536, 16_384, 16_384],
  );
});

test('does not take a slow consumer for a stall', async (t) => {
  const file = someFile('v1', 16 * 1024 * 1024);
  const server = await startServer(t, { a: file });
  const client = clientOf(t, server, { stallTimeoutMs: 400, chunkBytes: 1024 * 1024 });
  let bytes = 0;
  for await (const chunk of client.stream('a')) {
    // The pause is what is tested, not a way to wait for something.
    if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 1000));
    bytes += chunk.byteLength;
  }
  assert.equal(bytes, file.content.byteLength);
  assert.equal(server.requests.length, 1);
});

test('does not try again when the server forbids it', async (t) => {
  const server = await startServer(t, { a: someFile() });
  const client = clientOf(t, server, { retry: { attempts: 100, maxBackoffMs: 60_000 } });
  const never = Object.assign(new TransferError('RESOURCE_EXHAUSTED', 'for good'), { pushbackMs: -1 });
  server.defaultScript = { messages: first(1), ending: never };
  assert.equal((await failureOf(collect(client.stream('a')))).code, 'RESOURCE_EXHAUSTED');
  assert.equal(server.requests.length, 1);
});

test('starts a path over when the file changes during the transfer', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const newer = someFile('v2');
  server.scripts.push({ messages: first(8), ending: new TransferError('FILE_CHANGED', 'changed') });
  server.scripts.push({ before: () => void server.files.set('a', newer) });
  const warnings: string[] = [];
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (_: object, text: string) => warnings.push(text),
  };
  const restarts = new Set<number>();
  const result = await clientOf(t, server, { logger }).download('a', join(directory, 'a'), {
    onProgress: (progress) => restarts.add(progress.restarts),
  });
  assert.deepEqual(await readFile(join(directory, 'a')), newer.content);
  assert.deepEqual([result.version, result.restarts], ['v2', 1]);
  assert.deepEqual([...restarts], [0, 1]);
  assert.equal(warnings.length, 1);
});

test('never splices two versions: a cut, then another version', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.scripts.push({ messages: first(8), ending: new TransferError('UNAVAILABLE', 'draining') });
  server.scripts.push({ before: () => void server.files.set('a', someFile('v2')) });
  const failure = await failureOf(collect(clientOf(t, server).stream('a')));
  assert.equal(failure.code, 'VERSION_MISMATCH');
  assert.equal(failure.version, 'v2');
});

test('never splices two versions: a server that ignores the pin', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.scripts.push({ messages: first(8), ending: new TransferError('UNAVAILABLE', 'draining') });
  server.scripts.push({
    messages: function* (honest) {
      for (const message of honest) {
        yield message.file ? { file: { ...message.file, version: 'v2' } } : message;
      }
    },
  });
  assert.equal((await failureOf(collect(clientOf(t, server).stream('a')))).code, 'VERSION_MISMATCH');
});

test('ends when the file never stays the same', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { messages: first(3), ending: new TransferError('FILE_CHANGED', 'changed') };
  const failure = await failureOf(clientOf(t, server).download('a', join(directory, 'a')));
  assert.equal(failure.code, 'FILE_CHANGED');
  assert.equal(server.requests.length, 6);
});

test('does not start over when the caller named the version', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  const failure = await failureOf(clientOf(t, server).download('a', join(directory, 'a'), { ifMatch: 'v0' }));
  assert.deepEqual([failure.code, failure.version], ['VERSION_MISMATCH', 'v1']);
  assert.equal(server.requests.length, 1);
});
