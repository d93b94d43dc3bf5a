/** What was acknowledged survives a power cut; and where a sync is left out, this test sees what is lost. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { anyCut, cannotCutPower, uploadsThroughPowerCut } from '../../support/kill/power-cut.ts';
import { Random, seedOf } from '../../support/seed.ts';

const CUTS = Number(process.env.SLUICE_TEST_KILLS ?? 60);
/** Within so many cuts a missing sync must show; it mostly does with the first. */
const CUTS_TO_CATCH = 10;

/** What a lost promise looks like, and no other failure. */
const LOSSES = /is gone|is back|is not whole|are wrong|are left/;

const skip = cannotCutPower({ after });

test(`uploads through ${CUTS} power cuts lose nothing that was acknowledged`, { skip }, async (t) => {
  const random = new Random(seedOf(t));
  let files = 0;
  for (let cut = 1; cut <= CUTS; cut++) {
    files += await uploadsThroughPowerCut(t, random, anyCut(random));
    if (cut % 10 === 0) t.diagnostic(`${cut} cuts, ${files} files`);
  }
});

/** Each with the acknowledgement that it makes a lie; a single client, as the syncs of others would cover for it. */
const CONTROLS = [
  { forgets: 'data', what: 'finish' },
  { forgets: 'directories', what: 'delete' },
] as const;

for (const { forgets, what } of CONTROLS) {
  test(`power cuts are seen to lose something when the sync of ${forgets} is left out`, {
    skip,
  }, async (t) => {
    const random = new Random(seedOf(t));
    let cuts = 0;
    const cutAgain = async () => {
      while (cuts < CUTS_TO_CATCH) {
        cuts += 1;
        const how = { clients: 1, behind: { what, count: 1 }, limitMs: 20_000, forgets };
        await uploadsThroughPowerCut(t, random, how);
      }
    };
    await assert.rejects(cutAgain(), (reason) => {
      assert(reason instanceof assert.AssertionError && LOSSES.test(reason.message), String(reason));
      t.diagnostic(`cut ${cuts}: ${reason.message.split('\n')[0]}`);
      return true;
    });
  });
}
