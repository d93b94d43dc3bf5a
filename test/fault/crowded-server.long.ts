/** As crowded-server.test.ts, at full size, with the clock and the memory looked at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noise } from '../support/content.ts';
import { BASE_BYTES, workBesideCrowd } from '../support/peers/crowd.ts';
import { RawSession } from '../support/peers/raw-http2.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const SIZE = Number(process.env.SLUICE_TEST_CROWD ?? 500);

test(`${SIZE} stalled readers, as many senders and twice as many idle sockets leave room for another address`, async (t) => {
  const crowd = { readers: SIZE, senders: SIZE, idle: 2 * SIZE, calls: 8 * SIZE };
  const seen = await workBesideCrowd(t, crowd, 256 * MIB);
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.firstMs < 2000, `it took ${seen.firstMs} ms to get in`);
  assert.ok(seen.bytesPerSec >= 0.8 * seen.aloneBytesPerSec, 'it is as fast as alone, but for a fifth');
  assert.ok(seen.peakRssBytes <= seen.boundBytes + BASE_BYTES, 'no more memory than the configuration says');
});

test('readers that take nothing for ten seconds make room for their own address too', async (t) => {
  const server = await startServer(t, { limits: { streams: 4 } });
  server.write('file', noise(1, 4 * MIB));
  const raw = new RawSession(t, server.port, { initialWindowSize: 1000 });
  for (let reader = 0; reader < 4; reader += 1) raw.call('StreamFile', { fileName: 'file' }).pause();
  await until('all places are taken', () => server.server.stats().streams === 4);
  const client = server.client();
  const startMs = performance.now();
  let codes: string[] = [];
  while (codes.at(-1) !== 'OK' && performance.now() - startMs < 30_000) {
    codes = [...codes, (await client.fetch({ fileName: 'file' })).status];
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.equal(codes[0], 'RESOURCE_EXHAUSTED');
  assert.equal(codes.at(-1), 'OK');
  raw.destroy();
});
