/** Uploads of the client library to a real server that is cut off, killed, stalled and restarted. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { startLink } from '../../link-emulator/link.ts';
import { SluiceClient } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import type { UploadProgress, UploadSource } from '../../src/client/upload/options.ts';
import { assertBytes, type Content, joined, lines, noise, writeContent } from '../support/content.ts';
import { sendMessages, uploadStatus } from '../support/peers/raw-upload.ts';
import { scratchDirectory, scratchRoot } from '../support/scratch.ts';
import { ServerProcess } from '../support/server-process.ts';
import {
  KIB,
  MIB,
  type Settings,
  STORES,
  startServer,
  type TestServer,
  TWO_THREADS,
  testConfig,
} from '../support/test-server.ts';
import { until } from '../support/until.ts';

const WRITABLE: Settings = { writable: true, uploads: { minFree: 0 } };

function clientOf(t: TestContext, address: string, options: ClientOptions = {}): SluiceClient {
  process.env.XDG_STATE_HOME = scratchDirectory(t);
  const retry = { attempts: 100, initialBackoffMs: 5, maxBackoffMs: 50 };
  const client = new SluiceClient(address, { retry, ...options });
  t.after(() => client.close());
  return client;
}

/** The server works on no upload any more; the directory it keeps them in stays open. */
async function untilIdle({ server }: TestServer): Promise<void> {
  const isIdle = () => {
    const { jobsOutstanding, slabs, uploads } = server.stats();
    return uploads === 0 && jobsOutstanding === 0 && slabs.free === slabs.count;
  };
  await until('the server is idle again', isIdle, { state: () => server.stats() });
}

function storedIn(server: TestServer, name: string): Buffer {
  const stored = server.read(name);
  assert.ok(stored, `there is no ${name}`);
  return stored;
}

function* piecesOf(content: Content, pieceBytes: number): Generator<Buffer> {
  for (let at = 0; at < content.size; at += pieceBytes) {
    yield content.bytes(at, Math.min(content.size, at + pieceBytes));
  }
}

function pathOf(t: TestContext, content: Content): string {
  const path = join(scratchDirectory(t), 'source');
  writeContent(path, content);
  return path;
}

const CONTENTS: [string, Content][] = [
  ['nothing', noise(1, 0)],
  ['one byte', noise(1, 1)],
  ['a small file', noise(1, 100_000)],
  ['noise', noise(1, 5 * MIB + 77)],
  ['text', lines(5 * MIB + 77)],
  ['text between noise', joined(noise(1, 3 * MIB), lines(9 * MIB), noise(2, 3 * MIB + 1))],
];

test('takes uploads of its own client whatever its limit for chunks', async (t) => {
  for (const maxSize of [1024, 16 * 1024]) {
    const chunk = { size: 1024, maxSize };
    const server = await startServer(t, {
      ...WRITABLE,
      chunk,
      slab: { size: 16 * 1024 },
      stream: { firstMessage: 16 * 1024 },
    });
    const told: string[] = [];
    const note = (_fields: object, message: string) => void told.push(message);
    const logger = { debug() {}, info: note, warn: note, error: note };
    const client = clientOf(t, server.address, { logger });
    for (const size of [100_000, 300_000]) {
      const content = noise(size, size);
      await client.upload(Buffer.from(content.bytes(0, size)), `${size}`);
      assertBytes(readFileSync(join(server.root, `${size}`)), content, 0);
    }
    assert.deepEqual(told, []);
  }
});

test('chunks of the largest size arrive where uploads are not read directly, compressed by the channel or not', async (t) => {
  const server = await startServer(
    t,
    { ...WRITABLE, chunk: { size: 64 * KIB, maxSize: 256 * KIB }, slab: { size: 256 * KIB } },
    { zeroCopy: false },
  );
  const content = noise(1, MIB + 5);
  const bytes = content.bytes(0, content.size);
  const result = await clientOf(t, server.address, { chunkBytes: 256 * KIB }).upload(bytes, 'own');
  assert.deepEqual([result.bytes, result.attempts], [content.size, 1]);
  for (const algorithm of [0, 1, 2]) {
    const client = server.client({ 'grpc.default_compression_algorithm': algorithm });
    const { answer: started } = await client.unary('StartUpload', { fileName: `${algorithm}` });
    const uploadId = started?.uploadId as string;
    const messages = [0, 1, 2, 3].map((number) => {
      const offset = number * 256 * KIB;
      return { offset, chunk: content.bytes(offset, offset + 256 * KIB) };
    });
    const end = await sendMessages(client, uploadId, messages);
    assert.deepEqual([end.status, end.details], ['OK', ''], `algorithm ${algorithm}`);
    const status = await uploadStatus(client, uploadId, true);
    assert.equal(status?.committedSize, MIB);
    const large = await client.unary('GetFileSize', { fileName: 'n'.repeat(16 * KIB) });
    assert.equal(large.status, 'RESOURCE_EXHAUSTED', 'only chunks may be large');
  }
});

/** What the two ways to the bytes of a store may do differently. */
const CONTENTS_OF_BOTH = new Set(['a small file', 'text']);

for (const store of STORES) {
  for (const [what, content] of CONTENTS) {
    if (store === 'memory' && !CONTENTS_OF_BOTH.has(what)) continue;
    test(`${what} comes back as it was sent, from every kind of source (${store})`, async (t) => {
      const server = await startServer(t, WRITABLE, { store });
      const client = clientOf(t, server.address);
      const sources: [string, UploadSource][] = [
        ['path', pathOf(t, content)],
        ['bytes', content.bytes(0, content.size)],
        ['stream', Readable.from(piecesOf(content, 50_000))],
      ];
      for (const [name, source] of sources) {
        const result = await client.upload(source, `dir/${name}`);
        const stored = storedIn(server, `dir/${name}`);
        assert.equal(stored.byteLength, content.size);
        assertBytes(stored, content, 0);
        assert.deepEqual([result.bytes, result.verified, result.attempts], [content.size, true, 1]);
        assert.equal((await client.stat(`dir/${name}`)).version, result.version);
      }
      await untilIdle(server);
    });
  }
}

test('parts over four connections make the whole', async (t) => {
  const server = await startServer(t, { ...WRITABLE, ...TWO_THREADS });
  // A part is 32 MiB at the least.
  const content = noise(1, 128 * MIB + 5);
  const result = await clientOf(t, server.address).upload(pathOf(t, content), 'a', { connections: 4 });
  assertBytes(readFileSync(server.at('a')), content, 0);
  assert.equal(result.attempts, 1);
  await untilIdle(server);
});

for (const kind of ['path', 'stream'] as const) {
  test(`a ${kind} is uploaded through connections that get too old`, async (t) => {
    const server = await startServer(t, { ...WRITABLE, connection: { maxAge: 150, maxAgeGrace: 1 } });
    // On two connections, from a path: each has a part of 32 MiB at the least.
    const content = noise(1, (kind === 'path' ? 64 : 24) * MIB + 5);
    const source = kind === 'path' ? pathOf(t, content) : Readable.from(piecesOf(content, 70_000));
    const options = kind === 'path' ? { connections: 2 } : { replayBytes: 4 * MIB };
    const result = await clientOf(t, server.address).upload(source, 'a', options);
    assertBytes(storedIn(server, 'a'), content, 0);
    assert.ok(result.attempts > 1, 'the connection was never cut');
    await untilIdle(server);
  });

  test(`a ${kind} is uploaded to a server that is killed again and again`, async (t) => {
    const root = scratchRoot(t);
    let server = await ServerProcess.start(t, testConfig(root, WRITABLE));
    const config = testConfig(root, { ...WRITABLE, listen: server.address });
    const content = noise(1, 32 * MIB + 5);
    let sentBytes = 0;
    const onProgress = (progress: UploadProgress) => {
      sentBytes = progress.sentBytes;
    };
    const source = kind === 'path' ? pathOf(t, content) : Readable.from(piecesOf(content, 70_000));
    const client = clientOf(t, server.address, { retry: { attempts: 1000, maxBackoffMs: 50 } });
    const upload = client.upload(source, 'a', { onProgress });
    for (let kill = 1; kill <= 2; kill++) {
      await until('bytes were sent', () => sentBytes > kill * 8 * MIB, { state: () => sentBytes });
      await server.end('SIGKILL');
      server = await ServerProcess.start(t, config);
    }
    const result = await upload;
    assertBytes(readFileSync(join(root, 'a')), content, 0);
    assert.equal(result.restarts, 0);
    assert.ok(result.attempts > 1);
  });
}

test('a stream that pauses for longer than the server waits is no failure', async (t) => {
  const server = await startServer(t, { ...WRITABLE, stream: { stallTimeout: 500 } });
  const stream = new Readable({ read: () => {} });
  const upload = clientOf(t, server.address, { retry: { attempts: 1 } }).upload(stream, 'a');
  let text = '';
  for (let piece = 0; piece < 3; piece++) {
    const line = `piece ${piece}\n`;
    stream.push(line);
    text += line;
    await until('the server has the call', () => server.server.stats().uploads === 1);
    await until('the server ended it', () => server.server.stats().uploads === 0);
  }
  stream.push(null);
  const result = await upload;
  assert.equal(readFileSync(server.at('a'), 'utf8'), text);
  assert.equal(result.restarts, 0);
});

test('progress tells what is sent and what is durable, up to the whole', async (t) => {
  const server = await startServer(t, WRITABLE);
  const content = noise(1, 20 * MIB);
  const told: UploadProgress[] = [];
  await clientOf(t, server.address).upload(pathOf(t, content), 'a', {
    onProgress: (progress) => void told.push(progress),
  });
  assert.ok(told.every(({ durableBytes, sentBytes }) => durableBytes <= sentBytes && sentBytes <= 20 * MIB));
  const { durableBytes, phase, sentBytes, sizeBytes } = told.at(-1) as UploadProgress;
  assert.deepEqual(
    { durableBytes, phase, sentBytes, sizeBytes },
    { durableBytes: 20 * MIB, phase: 'finishing', sentBytes: 20 * MIB, sizeBytes: 20 * MIB },
  );
});

test('of two processes that send the same source, the newer one wins and the older one says so', async (t) => {
  const server = await startServer(t, WRITABLE);
  // Slow until both are there, so that the older one is not done before.
  const target = { host: '127.0.0.1', port: server.port };
  const link = await startLink({ target, rateBytesPerSec: 8 * MIB, queueBytes: 64 * 1024 });
  t.after(() => link.close());
  const path = pathOf(t, noise(1, 24 * MIB));
  const state = scratchDirectory(t);
  const [older, newer] = [clientOf(t, link.address), clientOf(t, link.address)];
  process.env.XDG_STATE_HOME = state;
  let sentBytes = 0;
  const onProgress = (progress: UploadProgress) => {
    sentBytes = progress.sentBytes;
  };
  const first = older.upload(path, 'a', { onProgress }).then(
    () => 'done',
    (error: { code: string }) => error.code,
  );
  await until('the older one has sent something', () => sentBytes > MIB);
  const result = await newer.upload(path, 'a', {
    onProgress: () => link.change({ rateBytesPerSec: Number.POSITIVE_INFINITY }),
  });
  assert.equal(result.bytes, 24 * MIB);
  assertBytes(readFileSync(server.at('a')), noise(1, 24 * MIB), 0);
  // Unless it was done before it could be taken over.
  assert.ok(['TAKEN_OVER', 'done'].includes(await first), await first);
});

for (const store of STORES) {
  test(`a hundred small files at once on one connection have every byte right (${store})`, async (t) => {
    const server = await startServer(t, { ...WRITABLE, ...TWO_THREADS }, { store });
    const client = clientOf(t, server.address);
    const contents = Array.from({ length: 100 }, (_, i) => noise(i, 1000 + i * 1013));
    await Promise.all(contents.map((each, i) => client.upload(each.bytes(0, each.size), `file-${i}`)));
    for (const [i, content] of contents.entries()) {
      assertBytes(storedIn(server, `file-${i}`), content, 0);
    }
    await untilIdle(server);
  });

  test(`what is aborted leaves nothing but what a later call resumes (${store})`, async (t) => {
    const server = await startServer(t, WRITABLE, { store });
    const client = clientOf(t, server.address);
    const content = noise(1, 40 * MIB);
    const path = pathOf(t, content);
    const abort = new AbortController();
    const onProgress = ({ sentBytes }: UploadProgress) => {
      if (sentBytes > 16 * MIB) abort.abort();
    };
    await assert.rejects(client.upload(path, 'a', { signal: abort.signal, onProgress }), {
      code: 'CANCELLED',
    });
    assert.equal(server.read('a'), undefined);
    const result = await client.upload(path, 'a');
    assert.ok(result.resumedBytes > 0 && result.resumedBytes < content.size);
    assert.equal(storedIn(server, 'a').length, content.size);
    assertBytes(storedIn(server, 'a'), content, 0);
  });
}
