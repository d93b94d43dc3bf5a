/** The short form of fuzz.long.ts. */
import { test } from 'node:test';
import { fuzz } from '../../support/fuzz/fuzz.ts';

test('500 malformed frames and messages neither end a server nor stay with it', async (t) => {
  await fuzz(t, 500);
});
