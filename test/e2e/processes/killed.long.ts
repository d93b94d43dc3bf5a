import { test } from 'node:test';
import { processesKilledInTurn } from './killed.ts';

test('a process is killed every second under 50 uploads and 50 downloads, and each of these ends with the right bytes', async (t) => {
  await processesKilledInTurn(t, { processes: 4, transfers: 50, kills: 60, killEveryMs: 1000 });
});
