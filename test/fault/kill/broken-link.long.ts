/** As broken-link.test.ts, long enough to meet rare moments. */
import { test } from 'node:test';
import { throughBrokenLinks } from '../../support/kill/broken-link.ts';

const TRANSFERS = Number(process.env.SLUICE_TEST_BROKEN_LINKS ?? 500);

test(`${TRANSFERS} transfers through links that break end in the right bytes or with an error, and leave nothing`, (t) =>
  throughBrokenLinks(t, TRANSFERS));
