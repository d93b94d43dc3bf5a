/** The bytes that arrive are the bytes of the file: at every boundary, for every combination of wishes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assertComplete } from '../support/check-stream.ts';
import { joined, lines, noise } from '../support/content.ts';
import type { StreamRequest } from '../support/peers/raw-client.ts';
import { seedOf } from '../support/seed.ts';
import { KIB, type ServerOptions, startServer, TWO_THREADS } from '../support/test-server.ts';

const CHUNK = 4 * KIB;
const MAX_CHUNK = 8 * KIB;
const SLAB = 16 * KIB;
const FIRST_MESSAGE = 2 * KIB;

/** Small units, so that a small file has many of each. */
const SETTINGS = {
  ...TWO_THREADS,
  slab: { size: SLAB, count: 8 },
  chunk: { size: CHUNK, maxSize: MAX_CHUNK },
  stream: { firstMessage: FIRST_MESSAGE, jobsInFlight: 4 },
  compression: { minSize: 0 },
};

const around = (n: number) => [n - 1, n, n + 1];
const BOUNDARIES = [0, 1, 2, ...[FIRST_MESSAGE, CHUNK, MAX_CHUNK, SLAB, 2 * SLAB, 5 * SLAB].flatMap(around)];

/** The chunk size the server may use at most for a wish. */
const chunkBytesFor = (wish = 0) => (wish === 0 ? CHUNK : Math.min(wish, MAX_CHUNK));

const WAYS: [string, ServerOptions][] = [
  ['with zero copy', {}],
  ['with copied messages', { zeroCopy: false }],
  ['from a distant store', { store: 'memory' }],
];

for (const [way, options] of WAYS) {
  test(`a file of any size around a boundary arrives byte for byte ${way}`, async (t) => {
    const server = await startServer(t, SETTINGS, options);
    const client = server.client();
    for (const size of BOUNDARIES) {
      const content = server.write('file', noise(size, size));
      for (const wantChecksums of [false, true]) {
        const request = { fileName: 'file', wantChecksums };
        assertComplete(await client.fetch(request), { request, content, chunkBytes: CHUNK });
      }
      const { answer } = await client.unary('GetFileSize', { fileName: 'file' });
      assert.equal(answer?.size, String(size));
    }
    await server.untilIdle();
  });

  test(`any range, chunk size and wish gives exactly that range ${way}`, async (t) => {
    const server = await startServer(t, SETTINGS, options);
    const client = server.client();
    const size = 6 * SLAB + 1;
    const contents = [
      server.write('noise.bin', noise(7, size)),
      server.write('lines.txt', lines(size)),
      server.write('mixed.bin', joined(lines(SLAB + 7), noise(8, 2 * SLAB), lines(3 * SLAB - 6))),
    ];
    const names = ['noise.bin', 'lines.txt', 'mixed.bin'];
    const offset = fc.oneof(
      fc.constantFrom(...BOUNDARIES, size, size - 1),
      fc.integer({ min: 0, max: size }),
    );
    const wishes = fc.record({
      file: fc.nat({ max: 2 }),
      start: offset,
      limit: fc.option(fc.oneof(offset, fc.constant('9223372036854775807')), { nil: undefined }),
      chunkSize: fc.oneof(
        fc.constantFrom(0, 0, 64, CHUNK - 1, CHUNK + 1, MAX_CHUNK, MAX_CHUNK + 1, 2 ** 31 - 1),
        fc.integer({ min: 512, max: 2 * MAX_CHUNK }),
      ),
      canDecompress: fc.boolean(),
      wantDetails: fc.boolean(),
      wantChecksums: fc.boolean(),
      compression: fc.constantFrom('COMPRESSION_UNSPECIFIED', 'COMPRESSION_NEVER', 'COMPRESSION_ALWAYS'),
      acceptedCodecs: fc.constantFrom<string[][]>([], ['CODEC_GZIP'], ['CODEC_UNSPECIFIED']),
    });
    const property = fc.asyncProperty(wishes, async ({ file, limit, ...wish }) => {
      const range = limit === undefined ? {} : { limit };
      const request = { ...wish, ...range, fileName: names[file] ?? '' } as StreamRequest;
      const content = contents[file] as (typeof contents)[number];
      const received = await client.fetch(request);
      assertComplete(received, { request, content, chunkBytes: chunkBytesFor(wish.chunkSize) });
      const mayCompress =
        wish.canDecompress &&
        wish.compression !== 'COMPRESSION_NEVER' &&
        wish.acceptedCodecs[0] !== 'CODEC_UNSPECIFIED';
      if (!mayCompress) assert(received.messages.every(({ compressed }) => !compressed));
    });
    await fc.assert(property, { numRuns: 80, seed: seedOf(t), verbose: 1 });
    await server.untilIdle();
  });
}

test('a chunk size of one byte gives chunks of one byte', async (t) => {
  const server = await startServer(t, SETTINGS);
  const content = server.write('file', noise(1, 1000));
  const request = { fileName: 'file', chunkSize: 1, wantChecksums: true };
  const received = await server.client().fetch(request);
  assertComplete(received, { request, content, chunkBytes: 1 });
  assert.equal(received.messages.length, content.size + 2);
});

test('sizes that are no powers of two, of slab, chunk and first message, change nothing', async (t) => {
  const server = await startServer(t, {
    slab: { size: 50_001, count: 9 },
    chunk: { size: 7_777, maxSize: 33_333 },
    stream: { firstMessage: 1_025, jobsInFlight: 3 },
  });
  const client = server.client();
  const content = server.write('file', joined(noise(3, 300_007), lines(99_991)));
  for (const chunkSize of [0, 1_024, 7_777, 33_333]) {
    const request = { fileName: 'file', chunkSize, canDecompress: true, wantChecksums: true };
    assertComplete(await client.fetch(request), { request, content, chunkBytes: chunkSize || 7_777 });
  }
});

test('a limit of zero and a start at the end are empty streams that end in OK', async (t) => {
  const server = await startServer(t, SETTINGS);
  const content = server.write('file', noise(1, 100));
  const client = server.client();
  for (const range of [{ limit: 0 }, { start: 100 }, { start: 100, limit: 5 }]) {
    const request = { fileName: 'file', ...range };
    const received = await client.fetch(request);
    assertComplete(received, { request, content, chunkBytes: CHUNK });
    assert.equal(received.messages.length, 0);
  }
});
