/** As kill-pack.test.ts, long enough to meet rare moments. */
import { test } from 'node:test';
import { packsWhileKilled } from '../../support/kill/kill-pack.ts';

const KILLS = Number(process.env.SLUICE_TEST_KILLS ?? 200);

test(`packs through ${KILLS} kills lose nothing that was acknowledged`, (t) => packsWhileKilled(t, KILLS));
