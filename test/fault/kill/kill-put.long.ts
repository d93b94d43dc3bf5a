/** As kill-put.test.ts, long enough to meet rare moments. */
import { test } from 'node:test';
import { putsWhileKilled } from '../../support/kill/kill-put.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 200);

test(`puts through ${KILLS} kills of the client end with the right files and leave nothing`, (t) =>
  putsWhileKilled(t, KILLS));
