/**
 * As slow-store, with an object store that is far away: each of its requests takes
 * the same time. Beside the rounds of reads there is the request that opens the file.
 */
import { MIB } from '../../../src/base/units.ts';
import { atMost, type Figure, figureOf } from '../../harness/bar.ts';
import { toMetrics } from '../../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../../harness/scenario.ts';
import { bucketContender } from '../../peers/bucket.ts';

const CHUNKS = 12;
const CHUNK_BYTES = 10 * MIB;
const REQUEST_MS = 50;
const READS_IN_FLIGHT = [1, 5, 10];

/** One after the other, each a stream of its own. */
const REPEATS = 8;

/** A read for each chunk but the first, which a stream sends in two pieces. */
const SERVE_FLAGS = [
  '--slab-size=10MiB',
  '--slab-count=64',
  '--chunk-size=10MiB',
  '--chunk-max-size=10MiB',
  '--stream-first-message=5MiB',
  '--limits-streams=16',
];

type Bucket = 'far bucket' | 'near bucket';

const describeCase = (reads: number, bucket: Bucket) => `${reads} in flight, ${bucket}`;

export const slowBucket: Scenario = {
  name: 'slow-bucket',
  describe: `${CHUNKS} chunks of 10 MiB, verified, from a bucket whose store takes ${REQUEST_MS} ms for each request, and from one whose store takes no time`,
  bars: READS_IN_FLIGHT.map((reads) => atMost(1.1, overExpected(reads))),
  async prepare(context) {
    const file = await context.files.random(CHUNKS * CHUNK_BYTES);
    return READS_IN_FLIGHT.flatMap((reads) => [
      bucketCase(reads, 'near bucket', context, file),
      bucketCase(reads, 'far bucket', context, file),
    ]);
  },
};

/** What a transfer takes over the requests that must follow each other and what the bytes take anyway. */
function overExpected(reads: number): Figure {
  const waitMs = (1 + Math.ceil(CHUNKS / reads)) * REQUEST_MS;
  const far = figureOf('elapsedMs', describeCase(reads, 'far bucket'));
  const near = figureOf('elapsedMs', describeCase(reads, 'near bucket'));
  return {
    name: `${far.name} ÷ (${waitMs} ms + transfer)`,
    evaluate: (medians) => far.evaluate(medians) / (waitMs + near.evaluate(medians)),
  };
}

function bucketCase(reads: number, bucket: Bucket, context: BenchContext, file: string): Case {
  const flags = [...SERVE_FLAGS, `--stream-jobs-in-flight=${reads}`];
  const contender = bucketContender(bucket === 'far bucket' ? REQUEST_MS : 0, flags);
  const plan = { file, chunkBytes: CHUNK_BYTES, verified: true, warmUp: { reads: 1 }, repeats: REPEATS };
  return {
    name: describeCase(reads, bucket),
    parameters: { contender: bucket, data: `${reads} in flight` },
    measure: () =>
      withServer(contender, context, async (server) => {
        const report = await contender.load(server, plan);
        return { ...toMetrics(report), elapsedMs: (report.seconds * 1000) / REPEATS };
      }),
  };
}
