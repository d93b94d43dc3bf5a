/**
 * How long a small call waits while the server is busy with 64 streams. Both
 * servers get the same load from the same stock client, so that only the
 * server differs.
 */
import { KIB, MIB } from '../../src/base/units.ts';
import type { LoadReport, ProbeReport } from '../drivers/protocol.ts';
import { atMost, figureOf } from '../harness/bar.ts';
import { type Contender, completeLoad, finishDriver, startDriver } from '../harness/contender.ts';
import { toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';
import { stockTuned } from '../peers/stock.ts';

const STREAMS = 64;
const CHUNK_BYTES = 256 * KIB;

/** The streams run longer than the probe by what it takes the probe to start. */
const LOAD_MARGIN_SECONDS = 3;
const START_TIMEOUT_MS = 30_000;

export const unaryLatency: Scenario = {
  name: 'unary-latency',
  describe: 'GetFileSize every 5 ms from another process while 64 streams run, as bytes are and as gzip',
  bars: [atMost(12, figureOf('p99Ms', 'sluice identity')), atMost(8, figureOf('p99Ms', 'sluice gzip'))],
  async prepare(context) {
    const random = await context.files.random(256 * MIB);
    const text = await context.files.text(64 * MIB);
    return [
      probeCase('stock tuned identity', stockTuned, context, random, 'never'),
      probeCase('sluice identity', sluice, context, random, 'never'),
      probeCase('stock tuned gzip', stockTuned, context, text, 'always'),
      probeCase('sluice gzip', sluice, context, text, 'always'),
    ];
  },
};

function probeCase(
  name: string,
  contender: Contender,
  context: BenchContext,
  file: string,
  compression: 'never' | 'always',
): Case {
  const probeSeconds = context.quick ? 3 : 6;
  return {
    name,
    measure: () =>
      withServer(contender, context, async (server) => {
        const seconds = probeSeconds + LOAD_MARGIN_SECONDS;
        const plan = { file, streams: STREAMS, chunkBytes: CHUNK_BYTES, compression, seconds };
        const load = startDriver('stock-driver', completeLoad(server, plan, 'tuned'));
        try {
          await load.line(/started/, START_TIMEOUT_MS);
          const request = { target: server.target, file, seconds: probeSeconds };
          const probe = await finishDriver<ProbeReport>(startDriver('latency-probe', request));
          const { p50Ms, p99Ms, maxMs } = probe;
          return { ...toMetrics(await finishDriver<LoadReport>(load)), p50Ms, p99Ms, maxMs };
        } finally {
          await load.kill();
        }
      }),
  };
}
