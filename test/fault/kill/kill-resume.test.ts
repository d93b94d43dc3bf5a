/** kill -9 of either side at random moments; many more of it in kill-resume.long.ts. */
import { test } from 'node:test';
import { clientKilled, serverKilled } from '../../support/kill/kill-resume.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 4);

test(`a download through ${KILLS} kills of the server has every byte right`, (t) => serverKilled(t, KILLS));

test(`a download through ${KILLS} kills of the client has every byte right`, (t) => clientKilled(t, KILLS));
