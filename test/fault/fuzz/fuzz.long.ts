/** Malformed frames and messages by the million: SLUICE_TEST_FUZZ_CASES says how many. */
import { test } from 'node:test';
import { fuzz } from '../../support/fuzz/fuzz.ts';

const CASES = Number(process.env.SLUICE_TEST_FUZZ_CASES ?? 1_000_000);

test(`${CASES} malformed frames and messages neither end a server nor stay with it`, async (t) => {
  await fuzz(t, CASES);
});
