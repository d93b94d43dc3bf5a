/**
 * As crowded-server.test.ts, at full size, with the clock and the memory looked at.
 * SLUICE_TEST_CROWD (500) says how large the crowd is.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { noise } from '../support/content.ts';
import { BASE_BYTES, workBesideCrowd } from '../support/peers/crowd.ts';
import { RawClient } from '../support/peers/raw-client.ts';
import { RawSession } from '../support/peers/raw-http2.ts';
import { cannotBe, MODES, securityOf } from '../support/peers/secured.ts';
import { MIB, startServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const SIZE = Number(process.env.SLUICE_TEST_CROWD ?? 500);

for (const mode of MODES) {
  const crowded = `a ${mode} server with ${SIZE} stalled readers, as many senders, and twice as many empty uploads and idle sockets has room for another address`;
  test(crowded, { skip: cannotBe(mode) }, async (t) => {
    const crowd = { readers: SIZE, senders: SIZE, starts: 2 * SIZE, idle: 2 * SIZE, calls: 8 * SIZE };
    const seen = await workBesideCrowd(t, mode, crowd, 256 * MIB);
    t.diagnostic(JSON.stringify(seen));
    assert.ok(seen.firstMs < 2000, `it took ${seen.firstMs} ms to get in`);
    assert.ok(seen.bytesPerSec >= 0.8 * seen.aloneBytesPerSec, 'it is as fast as alone, but for a fifth');
    assert.ok(
      seen.peakRssBytes <= seen.boundBytes + BASE_BYTES,
      'no more memory than the configuration says',
    );
  });

  const still = `readers of a ${mode} server that take nothing for ten seconds make room for whoever they are, too`;
  test(still, { skip: cannotBe(mode) }, async (t) => {
    const security = securityOf(t, mode, ['crowd']);
    const proof = security?.proofOf('crowd');
    const server = await startServer(t, { limits: { streams: 4 }, ...security?.settings });
    server.write('file', noise(1, 4 * MIB));
    const raw = new RawSession(t, server.port, { initialWindowSize: 1000 }, '127.0.0.1', proof);
    for (let reader = 0; reader < 4; reader += 1) raw.call('StreamFile', { fileName: 'file' }).pause();
    await until('all places are taken', () => server.server.stats().streams === 4);
    const trust = proof === undefined ? undefined : credentials.createSsl(proof.ca);
    const client = new RawClient(server.address, {}, trust, proof?.token);
    t.after(() => client.close());
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
}
