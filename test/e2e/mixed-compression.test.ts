/** Compressed and plain chunks in one file, and jobs that end out of order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertComplete } from '../support/check-stream.ts';
import { joined, lines, noise } from '../support/content.ts';
import { KIB, MIB, startServer, TWO_THREADS } from '../support/test-server.ts';

for (const zeroCopy of [true, false]) {
  test(`text, then noise, then text comes compressed, plain, compressed (zero copy: ${zeroCopy})`, async (t) => {
    const server = await startServer(t, TWO_THREADS, { zeroCopy });
    const content = server.write('mixed.bin', joined(lines(3 * MIB), noise(1, 6 * MIB), lines(5 * MIB)));
    // Left to itself, the server would rather not compress for a peer this near.
    const compression = 'COMPRESSION_ALWAYS';
    const request = { fileName: 'mixed.bin', canDecompress: true, wantChecksums: true, compression };
    const received = await server.client().fetch(request);
    assertComplete(received, { request, content, chunkBytes: 64 * KIB });
    const isCompressedAt = (offset: number) =>
      received.messages.some(
        (message) =>
          message.compressed &&
          Number(message.offset) <= offset &&
          offset < Number(message.offset) + message.rawSize,
      );
    assert(isCompressedAt(2 * MIB), 'text in front');
    assert(!isCompressedAt(7 * MIB), 'noise');
    assert(isCompressedAt(13 * MIB), 'text behind noise');
    await server.untilIdle();
  });
}

test('a client that cannot decompress, or names a type of file that does not shrink, gets plain chunks', async (t) => {
  const server = await startServer(t);
  const content = server.write('text.txt', lines(MIB));
  server.write('film.mp4', lines(MIB));
  const client = server.client();
  for (const request of [{ fileName: 'text.txt' }, { fileName: 'film.mp4', canDecompress: true }]) {
    const received = await client.fetch(request);
    assertComplete(received, { request, content, chunkBytes: 64 * KIB });
    assert(received.messages.every(({ compressed }) => !compressed));
  }
});

test('jobs that end out of order are delivered in order', async (t) => {
  // Runs of compressible and random data side by side, and more threads than processors: the jobs of one
  // stream take between a fraction of a millisecond and many.
  const server = await startServer(t, {
    pool: { threads: 4 },
    slab: { size: 64 * KIB, count: 64 },
    chunk: { size: 16 * KIB, maxSize: 64 * KIB },
    stream: { jobsInFlight: 8 },
    compression: { level: 9 },
  });
  const parts = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? lines(48 * KIB) : noise(i, 80 * KIB)));
  const content = server.write('mixed', joined(...parts));
  const requests = Array.from({ length: 12 }, (_, i) => ({
    fileName: 'mixed',
    canDecompress: i % 3 !== 0,
    wantChecksums: true,
    compression: 'COMPRESSION_ALWAYS',
    start: i * 1000,
  }));
  const clients = [server.client(), server.client()] as const;
  const received = await Promise.all(
    requests.map((request, i) => clients[i % 2 === 0 ? 0 : 1].fetch(request)),
  );
  for (const [i, answer] of received.entries()) {
    const request = requests[i] as (typeof requests)[number];
    assertComplete(answer, { request, content, chunkBytes: 16 * KIB });
  }
  await server.untilIdle();
});
