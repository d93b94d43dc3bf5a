/**
 * Reads in flight hide how long a store takes for each: a stream over a store that
 * answers late takes the rounds of reads that there must be, and what the bytes take
 * anyway. The whole is verified, so the order is kept.
 */
import { MIB } from '../../../src/base/units.ts';
import { atMost, type Figure, figureOf } from '../../harness/bar.ts';
import type { Contender } from '../../harness/contender.ts';
import { toMetrics } from '../../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../../harness/scenario.ts';

const CHUNKS = 12;
const CHUNK_BYTES = 10 * MIB;
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
  '--stream-first-message=5MiB',
  '--limits-streams=16',
];

/** What each read of the late store takes. */
export const READ_MS = 50;

/** The same store twice, late and at once. */
export interface StorePair {
  readonly name: string;
  /** Where the chunks come from, for the description. */
  readonly from: string;
  readonly late: string;
  readonly atOnce: string;
  /** Requests of the store that come before the first read. */
  readonly requestsBefore: number;
  contender(isLate: boolean, flags: readonly string[]): Contender;
}

/** What a transfer takes over the reads that must follow each other and what the bytes take anyway. */
export function readsInFlight(pair: StorePair): Scenario {
  return {
    name: pair.name,
    describe: `${CHUNKS} chunks of 10 MiB, verified, from ${pair.from}`,
    bars: READS_IN_FLIGHT.map((reads) => atMost(1.1, overExpected(pair, reads))),
    async prepare(context) {
      const file = await context.files.random(CHUNKS * CHUNK_BYTES);
      return READS_IN_FLIGHT.flatMap((reads) =>
        [false, true].map((isLate) => caseOf(pair, isLate, reads, context, file)),
      );
    },
  };
}

function nameOf({ atOnce, late }: StorePair, isLate: boolean, reads: number): string {
  return `${reads} in flight, ${isLate ? late : atOnce}`;
}

function overExpected(pair: StorePair, reads: number): Figure {
  const waitMs = (pair.requestsBefore + Math.ceil(CHUNKS / reads)) * READ_MS;
  const late = figureOf('elapsedMs', nameOf(pair, true, reads));
  const atOnce = figureOf('elapsedMs', nameOf(pair, false, reads));
  return {
    name: `${late.name} ÷ (${waitMs} ms + transfer)`,
    evaluate: (medians) => late.evaluate(medians) / (waitMs + atOnce.evaluate(medians)),
  };
}

function caseOf(pair: StorePair, isLate: boolean, reads: number, context: BenchContext, file: string): Case {
  const contender = pair.contender(isLate, [...SERVE_FLAGS, `--stream-jobs-in-flight=${reads}`]);
  const plan = { file, chunkBytes: CHUNK_BYTES, verified: true, warmUp: { reads: 1 }, repeats: REPEATS };
  return {
    name: nameOf(pair, isLate, reads),
    parameters: { contender: isLate ? pair.late : pair.atOnce, data: `${reads} in flight` },
    measure: () =>
      withServer(contender, context, async (server) => {
        const report = await contender.load(server, plan);
        return { ...toMetrics(report), elapsedMs: (report.seconds * 1000) / REPEATS };
      }),
  };
}
