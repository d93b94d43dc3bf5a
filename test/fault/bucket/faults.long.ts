/** As faults.test.ts, long enough to meet rare moments, and with answers that never end. */
import { test } from 'node:test';
import { runThroughFaults } from '../../support/bucket/bucket-faults.ts';
import { servedModel } from '../../support/bucket/served-model.ts';
import { Random, seedOf } from '../../support/seed.ts';

const OPERATIONS = Number(process.env.SLUICE_TEST_OPERATIONS ?? 1000);

test(`${OPERATIONS} operations through faults of the store`, async (t) => {
  const random = new Random(seedOf(t));
  await runThroughFaults(t, await servedModel(t), random, { operations: OPERATIONS, hangs: true });
});
