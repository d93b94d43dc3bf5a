/**
 * How long a small call waits while the server is busy with 64 streams. Both
 * servers get the same load from the same stock client, so that only the
 * server differs.
 */
import { KIB, MIB } from '../../src/base/units.ts';
import type { LoadReport, ProbeReport } from '../drivers/protocol.ts';
import { atMost, figureOf, ratioOf } from '../harness/bar.ts';
import {
  type Contender,
  completeLoad,
  finishDriver,
  type Server,
  startDriver,
} from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';

const STREAMS = 64;
const CHUNK_BYTES = 256 * KIB;

/** The streams run longer than the probe by what it takes the probe to start. */
const LOAD_MARGIN_SECONDS = 3;
const START_TIMEOUT_MS = 30_000;

/**
 * Asks a second, idle server while the first one is busy: what the scheduling
 * of this machine's processors adds to any answer, whoever gives it.
 */
const PROBE_IDLE = true;

const SHARED_PROCESSORS =
  'Most of it is waiting for a processor: an idle server beside the same load answers little faster, because the server and the client of the load and the probe share the processors.';

export const unaryLatency: Scenario = {
  name: 'unary-latency',
  describe: 'GetFileSize every 5 ms from another process while 64 streams run, as bytes are and as gzip',
  bars: [
    atMost(12, figureOf('p99Ms', 'sluice identity'), SHARED_PROCESSORS),
    atMost(8, figureOf('p99Ms', 'sluice gzip'), SHARED_PROCESSORS),
    atMost(1.25, ratioOf('p99Ms', 'sluice identity', 'idle beside identity')),
    atMost(1.25, ratioOf('p99Ms', 'sluice gzip', 'idle beside gzip')),
  ],
  async prepare(context) {
    const random = await context.files.random(256 * MIB);
    const text = await context.files.text(64 * MIB);
    return [
      probeCase('stock tuned identity', stockTuned, context, random, 'never'),
      probeCase('sluice identity', sluice, context, random, 'never'),
      probeCase('idle beside identity', sluice, context, random, 'never', PROBE_IDLE),
      probeCase('stock tuned gzip', stockTuned, context, text, 'always'),
      probeCase('sluice gzip', sluice, context, text, 'always'),
      probeCase('idle beside gzip', sluice, context, text, 'always', PROBE_IDLE),
    ];
  },
};

function probeCase(
  name: string,
  contender: Contender,
  context: BenchContext,
  file: string,
  compression: 'never' | 'always',
  probesIdle = false,
): Case {
  const probeSeconds = context.quick ? 3 : 6;
  return {
    name,
    measure: () =>
      withServers(contender, context, probesIdle, async (server, probed) => {
        const seconds = probeSeconds + LOAD_MARGIN_SECONDS;
        const plan = { file, streams: STREAMS, chunkBytes: CHUNK_BYTES, compression, seconds };
        const load = startDriver('stock-driver', completeLoad(server, plan, 'tuned'));
        try {
          await load.says(/started/, START_TIMEOUT_MS);
          const request = { target: probed.target, file, seconds: probeSeconds };
          const probe = await finishDriver<ProbeReport>(startDriver('latency-probe', request));
          const { p50Ms, p99Ms, maxMs } = probe;
          return { ...toMetrics(await finishDriver<LoadReport>(load)), p50Ms, p99Ms, maxMs };
        } finally {
          await load.end();
        }
      }),
  };
}

/** Runs `work` with the server under load and the one to ask, which may be the same. */
function withServers<T>(
  contender: Contender,
  context: BenchContext,
  probesIdle: boolean,
  work: (server: Server, probed: Server) => Promise<T>,
): Promise<T> {
  return withServer(contender, context, (server) =>
    probesIdle ? withServer(contender, context, (idle) => work(server, idle)) : work(server, server),
  );
}
