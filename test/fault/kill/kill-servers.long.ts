/** Two minutes of kill -9 under 50 downloads. */
import { test } from 'node:test';
import { serversKilledInTurn } from '../../support/kill/kill-servers.ts';

test('50 downloads from two servers, one of which is killed every 5 s, complete with every byte right', (t) =>
  serversKilledInTurn(t, { downloads: 50, kills: 24, killEveryMs: 5_000 }));
