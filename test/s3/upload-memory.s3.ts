/** The memory of a server that many upload to at once. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SluiceClient } from '../../src/client/client.ts';
import { BucketScene } from '../support/ceph/bucket-scene.ts';
import { noise } from '../support/content.ts';
import { BASE_BYTES } from '../support/peers/crowd.ts';
import { runSluice } from '../support/sluice-process.ts';

const MIB = 1024 * 1024;

const STREAMS = Number(process.env.SLUICE_TEST_UPLOAD_STREAMS ?? 64);

/** Three parts. */
const SIZE = 20 * MIB;

/** Nothing that these uploads do not need, so that the bound is close. */
const LIMITS = {
  SLUICE_LIMITS_STREAMS: '8',
  SLUICE_LIMITS_CALLS: '128',
  SLUICE_LIMITS_REQUESTS: '8',
  SLUICE_LIMITS_CONNECTIONS: '128',
  SLUICE_LIMITS_UPLOAD_STREAMS: String(STREAMS),
};

test(`a server to which ${STREAMS} streams upload holds no more memory than its configuration says`, async (t) => {
  const scene = await BucketScene.make(t);
  const { address, server } = await scene.served({}, ['--writable'], LIMITS);
  const config = await runSluice(t, ['config', '--json'], {
    env: { ...LIMITS, SLUICE_ROOT: `s3://${scene.bucket}`, SLUICE_WRITABLE: 'true' },
  });
  const { memoryBoundBytes } = JSON.parse(config.stdout) as { memoryBoundBytes: number };
  const client = new SluiceClient(address, { ownConnection: true });
  t.after(() => client.close());
  const content = noise(1, SIZE).bytes(0, SIZE);
  const upload = (index: number) => client.upload(content, `file-${index}`, { connections: 1 });
  await Promise.all(Array.from({ length: STREAMS }, (_, index) => upload(index)));
  for (let index = 0; index < STREAMS; index++)
    assert.ok((await scene.get(`file-${index}`))?.equals(content), `file-${index}`);
  const status = readFileSync(`/proc/${server.process.pid}/status`, 'utf8');
  const peakRssBytes = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
  t.diagnostic(`peak ${Math.round(peakRssBytes / MIB)} MiB, bound ${Math.round(memoryBoundBytes / MIB)} MiB`);
  assert.ok(peakRssBytes <= memoryBoundBytes + BASE_BYTES);
});
