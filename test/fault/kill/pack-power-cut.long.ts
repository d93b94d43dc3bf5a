/** Packs that were acknowledged survive a power cut; and where nothing is synced, this test sees what is lost. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { packsThroughPowerCut } from '../../support/kill/pack-power-cut.ts';
import { cannotCutPower } from '../../support/kill/power-cut.ts';
import { Random, seedOf } from '../../support/seed.ts';

const CUTS = Number(process.env.SLUICE_TEST_KILLS ?? 40);

/** Within so many cuts missing syncs must show; they mostly do with the first. */
const CUTS_TO_CATCH = 10;

const skip = cannotCutPower({ after });

test(`packs through ${CUTS} power cuts lose nothing that was acknowledged`, { skip }, async (t) => {
  const random = new Random(seedOf(t));
  let packs = 0;
  for (let cut = 1; cut <= CUTS; cut++) packs += await packsThroughPowerCut(t, random, 'batched');
  t.diagnostic(`${packs} packs were acknowledged`);
  assert.ok(packs > 0);
});

test('power cuts are seen to lose packs where nothing is synced', { skip }, async (t) => {
  const random = new Random(seedOf(t));
  const cutAgain = async () => {
    for (let cut = 0; cut < CUTS_TO_CATCH; cut++) await packsThroughPowerCut(t, random, 'none');
  };
  await assert.rejects(cutAgain(), /is lost|is torn/);
});
