/** 500 readers that stop after their first message must neither slow a healthy one down nor cost memory. */
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { memoryBoundBytes } from '../../src/config/memory/memory-bound.ts';
import { configSchema } from '../../src/config/schema.ts';
import { atLeast, atMost, figureOf, ratio } from '../harness/bar.ts';
import { type Contender, startDriver } from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';

const READERS = 500;
const STALL_TIMEOUT_MS = 60_000;
const WARM_UP_BYTES = 128 * MIB;

/** Asked for, because what the stock peer holds for a stalled reader is a multiple of it. */
const CHUNK_BYTES = 256 * KIB;

/** Node, its code, its threads, and the fixed cost of calls and connections. */
const BASE_BYTES = 150 * MIB;

/** The bound that docs and server state for this many transfers, beside the base. */
const RSS_BOUND_BYTES =
  memoryBoundBytes(configSchema.parse({ limits: { streams: READERS + 1 } })).total + BASE_BYTES;

export const stalledReaders: Scenario = {
  name: 'stalled-readers',
  describe: `${READERS} readers that stop after their first message, one healthy reader of 1 GiB`,
  bars: [
    atLeast(0.8, ratio(figureOf('rateMibPerSec', 'sluice'), figureOf('soloRateMibPerSec', 'sluice'))),
    atMost(Math.floor(RSS_BOUND_BYTES / MIB), figureOf('serverPeakRssMib', 'sluice')),
  ],
  async prepare(context) {
    const size = context.quick ? GIB / 2 : GIB;
    const file = await context.files.random(size);
    return [stockTuned, sluice].map((contender) => stalledCase(contender, context, file, size));
  },
};

function stalledCase(contender: Contender, context: BenchContext, file: string, size: number): Case {
  const plan = { file, warmUpStart: size - WARM_UP_BYTES };
  return {
    name: contender.name,
    measure: () =>
      withServer(contender, context, async (server) => {
        const alone = toMetrics(await contender.load(server, plan));
        const request = { target: server.target, file, readers: READERS, chunkBytes: CHUNK_BYTES };
        const stalled = startDriver('stalled-readers', request);
        try {
          await stalled.says(/stalled/, STALL_TIMEOUT_MS);
          const together = toMetrics(await contender.load(server, plan));
          return { ...together, soloRateMibPerSec: alone.rateMibPerSec as number };
        } finally {
          await stalled.end();
        }
      }),
  };
}
