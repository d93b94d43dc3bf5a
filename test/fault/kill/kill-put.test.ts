/** A command line that dies during uploads leaves what the same command resumes. */
import { test } from 'node:test';
import { putsWhileKilled } from '../../support/kill/kill-put.ts';

test('a put that is killed twice ends with the right file and leaves nothing', (t) => putsWhileKilled(t, 2));
