/** Many requests on one stream, beside a call for each. */
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import type { LoadReport } from '../drivers/protocol.ts';
import { atLeast, atMost, excessOf, ratioOf } from '../harness/bar.ts';
import { type Contender, driverContender, type LoadPlan } from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, loadCase, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice, startSluice } from '../peers/sluice.ts';

/** A server runs for days: compiled code is what is measured. */
const WARM_UP_BYTES = 512 * MIB;
const WARM_UP_SECONDS = 2;

const RANGE_BYTES = 256 * KIB;
const IN_FLIGHT = 64;
const ACTIVE = 10;
const WAITING = 990;

/** More than requests without slabs take, 4 KiB each; the slabs of so many reads would be a GiB. */
const WAITING_MIB = 32;

const session = driverContender('session', (directory) => startSluice(directory), 'session-driver', 'tuned');

export const exchange: Scenario = {
  name: 'exchange',
  describe:
    'reads of a session beside calls: one file of 1 GiB; ten reads, alone and beside 990 requests without credit; 256 KiB at random places, 64 in flight',
  bars: [
    atLeast(0.95, ratioOf('rateMibPerSec', 'one file, session', 'one file, call')),
    atMost(1.1, ratioOf('serverCpuSecPerGib', 'one file, session', 'one file, call')),
    atLeast(0.9, ratioOf('rateMibPerSec', 'ten beside 990', 'ten alone')),
    atMost(WAITING_MIB, excessOf('serverPeakRssMib', 'ten beside 990', 'ten alone')),
    atLeast(1.5, ratioOf('requestsPerSec', 'ranges, session', 'ranges, calls')),
    atMost(0.6, ratioOf('serverCpuMsPerRequest', 'ranges, session', 'ranges, calls')),
  ],
  async prepare(context) {
    const size = context.quick ? GIB / 2 : GIB;
    const seconds = context.quick ? 3 : 6;
    const file = await context.files.random(size);
    const whole = { file, warmUpStart: size - WARM_UP_BYTES };
    const ten = { ...whole, streams: ACTIVE, seconds };
    return [
      loadCase('one file, call', sluice, context, whole),
      loadCase('one file, session', session, context, whole),
      loadCase('ten alone', session, context, ten),
      loadCase('ten beside 990', session, context, { ...ten, waitingRequests: WAITING }),
      rangesCase('ranges, calls', sluice, context, { file, seconds }),
      rangesCase('ranges, session', session, context, { file, seconds }),
    ];
  },
};

function rangesCase(name: string, contender: Contender, context: BenchContext, plan: LoadPlan): Case {
  return {
    name,
    measure: () =>
      withServer(contender, context, async (server) => {
        const warmUp = { reads: 1, seconds: WARM_UP_SECONDS };
        const ranges = { streams: IN_FLIGHT, connections: 1, rangeBytes: RANGE_BYTES, warmUp };
        return rangeMetrics(await contender.load(server, { ...plan, ...ranges }));
      }),
  };
}

function rangeMetrics(report: LoadReport) {
  const requests = report.bytes / RANGE_BYTES;
  return {
    ...toMetrics(report),
    requestsPerSec: requests / report.seconds,
    serverCpuMsPerRequest: (report.serverCpuSeconds * 1000) / requests,
  };
}
