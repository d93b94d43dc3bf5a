/** A process that dies while it writes packs loses nothing that it acknowledged, and leaves whole files only. */
import { test } from 'node:test';
import { packsWhileKilled } from '../../support/kill/kill-pack.ts';

test('packs through three kills lose nothing that was acknowledged', (t) => packsWhileKilled(t, 3));
