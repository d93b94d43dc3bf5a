/** What a second request for late reads does to the slowest transfers from a bucket. */
import { MIB } from '../../../src/base/units.ts';
import type { ProbeReport } from '../../drivers/protocol.ts';
import { atMost, ratioOf } from '../../harness/bar.ts';
import { finishDriver, startDriver } from '../../harness/contender.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../../harness/scenario.ts';
import { bucketContender } from '../../peers/bucket.ts';

const FILE_BYTES = 64 * MIB;
const RANGE_BYTES = MIB;
const REQUEST_MS = 5;
const LATE_MS = 2000;
const IN_FLIGHT = 4;

/** More than the server has to see before it knows what is late. */
const WARM_UP_READS = 100;

export const lateReads: Scenario = {
  name: 'late-reads',
  describe: `ranges of 1 MiB, ${IN_FLIGHT} at the same time, from a bucket whose store takes ${REQUEST_MS} ms for each request, and ${LATE_MS / 1000} s for each 100th read`,
  bars: [atMost(0.1, ratioOf('p99Ms', 'second requests', 'one request'))],
  async prepare(context) {
    const file = await context.files.random(FILE_BYTES);
    return [
      probeCase('one request', false, context, file),
      probeCase('second requests', true, context, file),
    ];
  },
};

function probeCase(name: string, hedge: boolean, context: BenchContext, file: string): Case {
  const contender = bucketContender({ latencyMs: REQUEST_MS, lateMs: LATE_MS, hedge });
  const load = {
    file,
    rangeBytes: RANGE_BYTES,
    warmUpReads: WARM_UP_READS,
    reads: context.quick ? 200 : 1000,
    inFlight: IN_FLIGHT,
  };
  return {
    name,
    parameters: { contender: name },
    measure: () =>
      withServer(contender, context, async ({ target }) => {
        const probe = startDriver('read-probe', { target, ...load });
        const { p50Ms, p99Ms, maxMs } = await finishDriver<ProbeReport>(probe);
        return { p50Ms, p99Ms, maxMs };
      }),
  };
}
