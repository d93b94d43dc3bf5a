/**
 * Reads in flight hide how long a store takes for each: a stream over a store
 * that answers late takes the rounds of reads that there must be, and what the
 * bytes take anyway. The whole is verified, so the order is kept.
 */
import { pathToFileURL } from 'node:url';
import { MIB } from '../../../src/base/units.ts';
import { atMost, type Figure, figureOf } from '../../harness/bar.ts';
import { driverContender } from '../../harness/contender.ts';
import { toMetrics } from '../../harness/metrics.ts';
import { compiledPath } from '../../harness/paths.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../../harness/scenario.ts';
import { startSluice } from '../../peers/sluice.ts';

const CHUNKS = 12;
const CHUNK_BYTES = 10 * MIB;
const READ_MS = 50;
const READS_IN_FLIGHT = [1, 5, 10];

/** One after the other, each a stream of its own: one alone is over in a fifth of a second. */
const REPEATS = 8;

/**
 * A read for each chunk but the first, which a stream sends in two pieces, and
 * so many slabs that reading ahead is never short of them.
 */
const SERVE_FLAGS = [
  '--slab-size=10MiB',
  '--slab-count=64',
  '--chunk-size=10MiB',
  '--chunk-max-size=10MiB',
  '--pool-threads=10',
  '--stream-first-message=5MiB',
  '--limits-streams=16',
];

type Store = 'slow store' | 'page cache';

const describeCase = (reads: number, store: Store) => `${reads} in flight, ${store}`;

export const slowStore: Scenario = {
  name: 'slow-store',
  describe: `${CHUNKS} chunks of 10 MiB, verified, from a store that takes ${READ_MS} ms for each read, and from the page cache`,
  bars: READS_IN_FLIGHT.map((reads) => atMost(1.1, overExpected(reads))),
  async prepare(context) {
    const file = await context.files.random(CHUNKS * CHUNK_BYTES);
    return READS_IN_FLIGHT.flatMap((reads) => [
      storeCase(reads, 'page cache', context, file),
      storeCase(reads, 'slow store', context, file),
    ]);
  },
};

/** What a transfer takes over the rounds of reads that it needs and what the bytes take from the page cache. */
function overExpected(reads: number): Figure {
  const waitMs = Math.ceil(CHUNKS / reads) * READ_MS;
  const slow = figureOf('elapsedMs', describeCase(reads, 'slow store'));
  const transfer = figureOf('elapsedMs', describeCase(reads, 'page cache'));
  return {
    name: `${slow.name} ÷ (${waitMs} ms + transfer)`,
    evaluate: (medians) => slow.evaluate(medians) / (waitMs + transfer.evaluate(medians)),
  };
}

function storeCase(reads: number, store: Store, context: BenchContext, file: string): Case {
  const preload = `${pathToFileURL(compiledPath('bench/peers/slow-reads.js')).href}?ms=${READ_MS}`;
  const nodeFlags = store === 'slow store' ? ['--import', preload] : [];
  const contender = driverContender(
    'sluice',
    (directory) => startSluice(directory, [...SERVE_FLAGS, '--stream-jobs-in-flight', `${reads}`], nodeFlags),
    'sluice-driver',
    'tuned',
  );
  const plan = { file, chunkBytes: CHUNK_BYTES, verified: true, warmUp: { reads: 1 }, repeats: REPEATS };
  return {
    name: describeCase(reads, store),
    parameters: { contender: store, data: `${reads} in flight` },
    measure: () =>
      withServer(contender, context, async (server) => {
        const report = await contender.load(server, plan);
        return { ...toMetrics(report), elapsedMs: (report.seconds * 1000) / REPEATS };
      }),
  };
}
