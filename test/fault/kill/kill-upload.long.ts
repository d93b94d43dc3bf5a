/** As kill-upload.test.ts, long enough to meet rare moments. */
import { test } from 'node:test';
import { uploadsWhileKilled } from '../../support/kill/kill-upload.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 1000);

test(`uploads through ${KILLS} kills of the server lose nothing that was acknowledged`, (t) =>
  uploadsWhileKilled(t, KILLS));
