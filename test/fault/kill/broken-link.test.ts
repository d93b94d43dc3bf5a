/** A link that breaks at random bytes; many more of it in broken-link.long.ts. */
import { test } from 'node:test';
import { throughBrokenLinks } from '../../support/kill/broken-link.ts';

test('10 transfers through links that break end in the right bytes or with an error, and leave nothing', (t) =>
  throughBrokenLinks(t, 10));
