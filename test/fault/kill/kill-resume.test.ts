/** kill -9 of either side at random moments; many more of it in kill-resume.long.ts. */
import { test } from 'node:test';
import { clientKilled, serverKilled } from '../../support/kill/kill-resume.ts';

test('a download through two kills of the server has every byte right', (t) => serverKilled(t, 2));

test('a download through two kills of the client has every byte right', (t) => clientKilled(t, 2));
