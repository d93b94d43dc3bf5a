/** Bytes that are wrong never reach the consumer, whatever a server sends. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TransferError } from '../../../src/base/errors.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
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
import { changed, changedSummary, type Message } from './honest-messages.ts';
import type { Script } from './scripted-server.ts';

const HALF = CHUNK_BYTES / 2;

function rawOf(message: Message): Uint8Array {
  return message.chunk ?? new Uint8Array();
}

function flipped(bytes: Uint8Array | undefined): Uint8Array {
  const copy = Uint8Array.from(bytes ?? []);
  const middle = copy.byteLength >> 1;
  copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}

/** The fourth message is the chunk at 2 × CHUNK_BYTES. */
const CHUNK_SPOILERS: Record<string, (message: Message) => Message> = {
  'a flipped bit': (message) => ({ ...message, chunk: flipped(message.chunk) }),
  'a wrong CRC-32': (message) => ({ ...message, crc32: 1 }),
  'no CRC-32': ({ crc32: _, ...message }) => message,
  'an offset too far': (message) => ({ ...message, offset: 3 * CHUNK_BYTES }),
  'an offset seen before': (message) => ({ ...message, offset: CHUNK_BYTES }),
  'a raw size that lies': (message) => ({ ...message, rawSize: 5 }),
  'a negative raw size': (message) => ({ ...message, rawSize: -1 }),
  'a raw size beyond every limit': (message) => ({ ...message, rawSize: 0x7fffffff }),
  'compressed bytes that are not': (message) => ({ ...message, compressed: true }),
};

const MEMBER_SPOILERS: Record<string, (message: Message) => Uint8Array> = {
  'a truncated member': (message) => gzipSync(rawOf(message)).subarray(0, -20),
  'two members': (message) =>
    Buffer.concat([gzipSync(rawOf(message).subarray(0, HALF)), gzipSync(rawOf(message).subarray(HALF))]),
  'an empty member before the right one': (message) =>
    Buffer.concat([gzipSync(''), gzipSync(rawOf(message))]),
  'bytes after the member': (message) => {
    const member = gzipSync(rawOf(message));
    return Buffer.concat([member, Buffer.from('tail'), member.subarray(-8)]);
  },
  'a gzip bomb': () => gzipSync(Buffer.alloc(64 * 1024 * 1024)),
  'a gzip bomb that lies about its size': (message) => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    bomb.writeUInt32LE(rawOf(message).byteLength, bomb.byteLength - 4);
    return bomb;
  },
  'a flipped bit in a member': (message) => flipped(gzipSync(rawOf(message))),
  'another chunk in the member': (message) => gzipSync(flipped(rawOf(message))),
  'a member without an end to its header': (message) => {
    const member = gzipSync(rawOf(message));
    member[3] = 8;
    return member.fill(1, 10);
  },
};

const SCRIPTS = new Map<string, Script>();
for (const [name, spoil] of Object.entries(CHUNK_SPOILERS)) {
  SCRIPTS.set(name, { messages: changed(3, spoil) });
}
for (const [name, spoil] of Object.entries(MEMBER_SPOILERS)) {
  const change = (message: Message) => ({ ...message, chunk: spoil(message), compressed: true });
  SCRIPTS.set(name, { messages: changed(3, change) });
}
SCRIPTS.set('a chunk beyond the end of the range', {
  messages: function* (honest) {
    for (const message of honest) {
      if (message.summary) {
        const chunk = Buffer.alloc(10);
        yield { chunk, offset: message.summary.size, rawSize: 10, crc32: crc32(chunk) };
      }
      yield message;
    }
  },
});

for (const [name, script] of SCRIPTS) {
  test(`fetches again after ${name}`, async (t) => {
    await fetchesInTwoCalls(t, script);
  });
}

test('resumes a corrupted stream from the last good byte', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.scripts.push({ messages: changed(3, CHUNK_SPOILERS['a flipped bit'] as never) });
  await collect(clientOf(t, server).stream('a'));
  assert.equal(server.requests[1]?.start, 2 * CHUNK_BYTES);
});

test('fails with CHECKSUM_MISMATCH when every attempt brings wrong bytes', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = { messages: changed(1, CHUNK_SPOILERS['a flipped bit'] as never) };
  const failure = await failureOf(collect(clientOf(t, server, { retry: { attempts: 3 } }).stream('a')));
  assert.equal(failure.code, 'CHECKSUM_MISMATCH');
  assert.equal(server.requests.length, 3);
});

test('does not trust a range whose summary is wrong: a path fetches it again', async (t) => {
  const file = someFile();
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: file });
  server.scripts.push({
    messages: changedSummary((message) => ({ summary: { ...message.summary, crc32: 1 } as never })),
  });
  await clientOf(t, server).download('a', join(directory, 'a'));
  assert.deepEqual(await readFile(join(directory, 'a')), file.content);
  assert.deepEqual(
    server.requests.map(({ start }) => start),
    [0, 0],
  );
});

test('does not trust a range whose summary is wrong: it is not published', async (t) => {
  const directory = await scratchDirectory(t);
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = {
    messages: changedSummary((message) => ({ summary: { ...message.summary, size: 1 } as never })),
  };
  const client = clientOf(t, server, { retry: { attempts: 3 } });
  const failure = await failureOf(client.download('a', join(directory, 'a')));
  assert.equal(failure.code, 'CHECKSUM_MISMATCH');
  assert.equal(server.requests.length, 4);
  await assert.rejects(readFile(join(directory, 'a')));
});

test('does not trust a range whose summary is wrong: a stream ends with the error', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.scripts.push({
    messages: changedSummary((message) => ({ summary: { ...message.summary, offset: 1 } as never })),
  });
  const failure = await failureOf(collect(clientOf(t, server).stream('a')));
  assert.equal(failure.code, 'CHECKSUM_MISMATCH');
});

test('keeps nothing of a download that the server calls DATA_LOSS behind the last byte', async (t) => {
  const file = someFile();
  const path = join(await scratchDirectory(t), 'a');
  const server = await startServer(t, { a: file });
  const ending = new TransferError('DATA_LOSS', 'a does not have the checksum that is stored with it');
  server.scripts.push({ messages: (honest) => [...honest].filter(({ summary }) => !summary), ending });
  assert.equal((await failureOf(clientOf(t, server).download('a', path))).code, 'DATA_LOSS');
  await assert.rejects(readFile(path));
  const { resumedBytes } = await clientOf(t, server).download('a', path);
  assert.equal(resumedBytes, 0);
  assert.deepEqual(await readFile(path), file.content);
});

test('resumes behind what came before bytes that cannot be read', async (t) => {
  const path = join(await scratchDirectory(t), 'a');
  const server = await startServer(t, { a: someFile() });
  const ending = new TransferError('DATA_LOSS', 'stored bytes cannot be read');
  server.scripts.push({ messages: (honest) => [...honest].slice(0, 5), ending });
  assert.equal((await failureOf(clientOf(t, server).download('a', path))).code, 'DATA_LOSS');
  const { resumedBytes } = await clientOf(t, server).download('a', path);
  assert.equal(resumedBytes, 4 * CHUNK_BYTES);
});

test('does not believe a size that no file can have', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = {
    messages: changed(0, (message) => ({ file: { ...message.file, size: -5 } as never })),
  };
  const client = clientOf(t, server, { retry: { attempts: 2 } });
  assert.equal((await failureOf(collect(client.stream('a')))).code, 'PROTOCOL_ERROR');
});

test('does not end before a size that lies is reached', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.defaultScript = {
    messages: changed(0, (message) => ({ file: { ...message.file, size: 1e9 } as never })),
  };
  const client = clientOf(t, server, { retry: { attempts: 2 } });
  assert.equal((await failureOf(collect(client.stream('a')))).code, 'PROTOCOL_ERROR');
});

test('takes no chunk after the summary', async (t) => {
  const file = someFile();
  const server = await startServer(t, { a: file });
  server.scripts.push({
    messages: function* (honest) {
      for (const message of honest) {
        if (message.offset === CHUNK_BYTES) {
          yield {
            summary: { offset: 0, size: CHUNK_BYTES, crc32: crc32(file.content.subarray(0, CHUNK_BYTES)) },
          };
        }
        yield message;
      }
    },
  });
  assert.deepEqual(await collect(clientOf(t, server).stream('a')), file.content);
  assert.equal(server.requests.length, 2);
});

test('checks lengths only when told not to verify', async (t) => {
  const server = await startServer(t, { a: someFile() });
  server.scripts.push({ messages: changed(3, CHUNK_SPOILERS['a flipped bit'] as never) });
  const client = clientOf(t, server, { verify: false });
  const sink = new WritableStream<Uint8Array>();
  const result = await client.download('a', sink);
  assert.deepEqual([result.verified, result.crc32], [false, undefined]);
  assert.equal(server.requests[0]?.wantChecksums, false);
});
