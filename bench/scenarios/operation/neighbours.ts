/** An identity at its limits in every kind at once must take nothing from another one. */
import { GIB, MIB } from '../../../src/base/units.ts';
import type { ProbeReport } from '../../drivers/protocol.ts';
import { atLeast, figureOf, ratio } from '../../harness/bar.ts';
import { type Contender, finishDriver, startDriver } from '../../harness/contender.ts';
import { toMetrics } from '../../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../../harness/scenario.ts';
import { startWithAccess, TOKENS } from '../../peers/operated.ts';
import { sluice } from '../../peers/sluice.ts';

const WARM_UP_BYTES = 512 * MIB;
const LIMITED_TIMEOUT_MS = 60_000;

/** Of the greedy one, which wants twice as much of each and more. */
const LIMITS = {
  connections: 4,
  streams: 8,
  // Of the uploads that it leaves unfinished, some find a place beside the four that go on.
  uploadStreams: 5,
  uploads: 8,
  calls: 8,
  // Its client runs on the same processors: at higher rates that is what would be measured.
  rate: '16MiB',
};

const limited: Contender = {
  ...sluice,
  start: (directory) =>
    startWithAccess(
      directory,
      [{ who: ['greedy'], each: LIMITS }],
      // Both come from this machine, as through a proxy; otherwise they share what one address may.
      ['--writable', '--uploads-sync=none', '--uploads-min-free=0', '--limits-trusted-proxies=127.0.0.1'],
    ),
  // The first refusal ends it.
  load: (server, plan) => sluice.load(server, { ...plan, token: TOKENS.ours, attempts: 1 }),
};

export const neighbours: Scenario = {
  name: 'neighbours',
  describe:
    'one stream of one identity, and small calls, beside another identity that is at its limits of connections, downloads, uploads, calls and rate; a call that is refused fails the case',
  bars: [atLeast(0.8, ratio(figureOf('rateMibPerSec', 'sluice'), figureOf('soloRateMibPerSec', 'sluice')))],
  async prepare(context) {
    const size = context.quick ? GIB / 2 : GIB;
    return [neighboursCase(context, await context.files.random(size), size)];
  },
};

function neighboursCase(context: BenchContext, file: string, size: number): Case {
  const plan = { file, warmUpStart: size - WARM_UP_BYTES, seconds: context.quick ? 3 : 6 };
  return {
    name: 'sluice',
    measure: () =>
      withServer(limited, context, async (server) => {
        const { target } = server;
        const alone = toMetrics(await limited.load(server, plan));
        const greedy = startDriver('greedy', { target, token: TOKENS.greedy, file });
        try {
          await greedy.says(/limited/, LIMITED_TIMEOUT_MS);
          const together = toMetrics(await limited.load(server, plan));
          const probe = { target, token: TOKENS.ours, file, seconds: plan.seconds };
          const { p50Ms, p99Ms, maxMs } = await finishDriver<ProbeReport>(
            startDriver('latency-probe', probe),
          );
          if (greedy.hasEnded) throw new Error(`the greedy client has ended: ${greedy.stderr}`);
          return { ...together, soloRateMibPerSec: alone.rateMibPerSec as number, p50Ms, p99Ms, maxMs };
        } finally {
          await greedy.end();
        }
      }),
  };
}
