/** As kill-resume.test.ts, long enough to meet rare moments. */
import { test } from 'node:test';
import { clientKilled, serverKilled } from '../../support/kill/kill-resume.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 200);

test(`downloads through ${KILLS} kills of the server have every byte right`, (t) => serverKilled(t, KILLS));

test(`downloads through ${KILLS} kills of the client have every byte right`, (t) => clientKilled(t, KILLS));
