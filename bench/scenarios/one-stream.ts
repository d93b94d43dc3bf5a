/** One client, one large file: how fast a single stream can be, and what it costs the server. */
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, atMost, ratioOf } from '../harness/bar.ts';
import { loadCase, type Scenario } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockDefault, stockLargeHeap, stockTuned } from '../peers/stock.ts';

/** A server runs for days: compiled code is what is measured. */
const WARM_UP_BYTES = 512 * MIB;

export const oneStream: Scenario = {
  name: 'one-stream',
  describe: 'one stream of a 1 GiB file of random bytes in the page cache, discarded',
  bars: [
    atLeast(1.2, ratioOf('rateMibPerSec', 'sluice', 'stock tuned')),
    atLeast(4, ratioOf('rateMibPerSec', 'sluice', 'stock default')),
    atLeast(0.9, ratioOf('rateMibPerSec', 'sluice verified', 'stock tuned')),
    atMost(0.55, ratioOf('serverCpuSecPerGib', 'sluice', 'stock tuned')),
  ],
  async prepare(context) {
    const size = context.quick ? GIB / 2 : GIB;
    const plan = { file: await context.files.random(size), warmUpStart: size - WARM_UP_BYTES };
    return [
      loadCase('stock tuned', stockTuned, context, plan),
      loadCase('sluice', sluice, context, plan),
      loadCase('stock default', stockDefault, context, plan),
      loadCase('stock large-heap', stockLargeHeap, context, plan),
      loadCase('sluice verified', sluice, context, { ...plan, verified: true }),
      ...context.extraPeers.map((peer) => loadCase(peer.name, peer, context, plan)),
    ];
  },
};
