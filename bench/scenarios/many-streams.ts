/** Many streams at once: what they get together, how evenly they get it, and the memory it takes. */
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { atLeast, atMost, figureOf, ratioOf } from '../harness/bar.ts';
import { type BenchContext, type Case, loadCase, type Scenario } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockLargeHeap, stockTuned } from '../peers/stock.ts';

const STREAM_COUNTS = [16, 64, 256];
const CHUNK_BYTES = 256 * KIB;
const WARM_UP_BYTES = 128 * MIB;

/** What all streams read together; each reads the same share, up to the end of the file. */
const TOTAL_BYTES = 4 * GIB;
const QUICK_TOTAL_BYTES = 2 * GIB;

export const manyStreams: Scenario = {
  name: 'many-streams',
  describe: '16, 64 and 256 streams of random bytes in the page cache, 256 KiB chunks, discarded',
  bars: [
    ...STREAM_COUNTS.flatMap((streams) => [
      atLeast(1.4, ratioOf('rateMibPerSec', `sluice × ${streams}`, `stock tuned × ${streams}`)),
      atLeast(0.95, figureOf('fairness', `sluice × ${streams}`)),
    ]),
    atMost(200, figureOf('serverPeakRssMib', 'sluice × 256')),
  ],
  async prepare(context) {
    const total = context.quick ? QUICK_TOTAL_BYTES : TOTAL_BYTES;
    const size = total / Math.min(...STREAM_COUNTS);
    const file = await context.files.random(size);
    return STREAM_COUNTS.flatMap((streams) => casesOf(context, file, size, streams, total / streams));
  },
};

function casesOf(
  context: BenchContext,
  file: string,
  size: number,
  streams: number,
  shareBytes: number,
): Case[] {
  const plan = {
    file,
    streams,
    start: size - shareBytes,
    chunkBytes: CHUNK_BYTES,
    warmUpStart: Math.max(0, size - WARM_UP_BYTES),
  };
  return [stockTuned, sluice, stockLargeHeap, ...context.extraPeers].map((contender) =>
    loadCase(`${contender.name} × ${streams}`, contender, context, plan),
  );
}
