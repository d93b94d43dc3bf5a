/** As test/fault/bucket/faults.test.ts, before a store that is one. */
import { test } from 'node:test';
import { runThroughFaults } from '../support/bucket/bucket-faults.ts';
import { FaultProxy } from '../support/bucket/fault-proxy.ts';
import { BucketScene, ENDPOINT } from '../support/ceph/bucket-scene.ts';
import { Random, seedOf } from '../support/seed.ts';

test('downloads, listings, packs, writes and deletes through faults of the store', async (t) => {
  const random = new Random(seedOf(t));
  const bucket = await BucketScene.make(t);
  const proxy = await FaultProxy.start(t, ENDPOINT);
  const { address } = await bucket.served({ endpoint: proxy.endpoint }, ['--writable']);
  const scene = {
    proxy,
    address,
    put: (key: string, body: Buffer) => bucket.put(key, body),
    get: (key: string) => bucket.get(key),
  };
  await runThroughFaults(t, scene, random, { operations: 100, hangs: true });
});
