import { test } from 'node:test';
import { processesKilledInTurn } from './killed.ts';

const TRANSFERS = Number(process.env.SLUICE_TEST_TRANSFERS ?? 50);

test(`a process is killed every second under ${TRANSFERS} uploads and as many downloads, and each of these ends with the right bytes`, async (t) => {
  await processesKilledInTurn(t, {
    processes: 4,
    transfers: TRANSFERS,
    kills: Math.ceil(TRANSFERS * 1.2),
    killEveryMs: 1000,
  });
});
