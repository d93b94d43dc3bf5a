/** The client library against a real server that cuts, changes and stalls. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLink } from '../../link-emulator/link.ts';
import { SluiceClient } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import { assertBytes, joined, lines, noise } from '../support/content.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { MIB, STORES, startServer, TWO_THREADS } from '../support/test-server.ts';
import { until } from '../support/until.ts';

function clientOf(t: TestContext, address: string, options: ClientOptions = {}): SluiceClient {
  const retry = { attempts: 100, initialBackoffMs: 5, maxBackoffMs: 50 };
  const client = new SluiceClient(address, { ownConnection: true, retry, ...options });
  t.after(() => client.close());
  return client;
}

test('a download through connections that get too old resumes and has every byte right', async (t) => {
  const server = await startServer(t, {
    compression: { level: 9 },
    connection: { maxAge: 150, maxAgeGrace: 1 },
  });
  const content = server.write('file', joined(lines(40 * MIB), noise(1, 8 * MIB)));
  const target = join(scratchDirectory(t), 'copy');
  const result = await clientOf(t, server.address).download('file', target);
  assertBytes(readFileSync(target), content, 0);
  assert.equal(result.bytes, content.size);
  assert(result.verified);
  assert(result.attempts > 1, 'the connection was never cut');
  await server.untilIdle();
});

test('a file replaced between two attempts is fetched from its start, and the result says so', async (t) => {
  const server = await startServer(t, { compression: { level: 9 } });
  // More than buffers and windows hold, for a second: the server has not read it all when the first bytes are there.
  const [host = '', port] = server.address.split(':');
  const link = await startLink({ target: { host, port: Number(port) }, rateBytesPerSec: 32 * MIB });
  t.after(() => link.close());
  server.write('file', noise(3, 40 * MIB));
  const content = server.write('new', joined(noise(2, 2 * MIB), lines(30 * MIB)));
  const target = join(scratchDirectory(t), 'copy');
  let isReplaced = false;
  const result = await clientOf(t, link.address).download('file', target, {
    onProgress: ({ receivedBytes }) => {
      if (isReplaced || receivedBytes < MIB) return;
      renameSync(server.at('new'), server.at('file'));
      isReplaced = true;
    },
  });
  assertBytes(readFileSync(target), content, 0);
  assert.equal(result.bytes, content.size);
  assert.equal(result.restarts, 1);
});

for (const store of STORES) {
  test(`a hundred downloads at once on one connection have every byte right (${store})`, async (t) => {
    const server = await startServer(t, TWO_THREADS, { store });
    const contents = Array.from({ length: 100 }, (_, i) =>
      server.write(`file-${i}`, noise(i, 200_000 + i * 1013)),
    );
    const client = clientOf(t, server.address);
    await Promise.all(
      contents.map(async (content, i) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of client.stream(`file-${i}`)) pieces.push(piece);
        const bytes = Buffer.concat(pieces);
        assert.equal(bytes.length, content.size);
        assertBytes(bytes, content, 0);
      }),
    );
    await server.untilIdle();
  });
}

test('a consumer that pauses longer than the server waits gets every byte all the same', async (t) => {
  const server = await startServer(t, { stream: { stallTimeout: 200, stallLinger: 100 } });
  const content = server.write('file', noise(3, 24 * MIB));
  const client = clientOf(t, server.address, { windowBytes: 65_535, chunkBytes: 64 * 1024 });
  const pieces: Uint8Array[] = [];
  let pauses = 0;
  for await (const piece of client.stream('file')) {
    pieces.push(piece);
    if (pieces.length % 100 !== 50 || pauses === 3) continue;
    pauses += 1;
    await until('the server has given up', () => server.server.stats().transfers === 0);
  }
  assertBytes(Buffer.concat(pieces), content, 0);
  assert.equal(Buffer.concat(pieces).length, content.size);
  assert.equal(pauses, 3);
  await server.untilIdle();
});
