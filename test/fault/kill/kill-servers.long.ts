/** Two minutes of kill -9 under 50 downloads, or less under fewer. */
import { test } from 'node:test';
import { serversKilledInTurn } from '../../support/kill/kill-servers.ts';

const DOWNLOADS = Number(process.env.SLUICE_TEST_TRANSFERS ?? 50);

test(`${DOWNLOADS} downloads from two servers, one of which is killed every 5 s, complete with every byte right`, (t) =>
  serversKilledInTurn(t, { downloads: DOWNLOADS, kills: Math.ceil(DOWNLOADS / 2), killEveryMs: 5_000 }));
