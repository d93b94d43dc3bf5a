/** What operators have on all the time must cost next to nothing: identities, rules, a log, metrics. */
import { GIB, MIB } from '../../../src/base/units.ts';
import type { UnaryLoadReport } from '../../drivers/protocol.ts';
import { atLeast, ratioOf } from '../../harness/bar.ts';
import { type Contender, finishDriver, startDriver } from '../../harness/contender.ts';
import { type BenchContext, type Case, loadCase, type Scenario, withServer } from '../../harness/scenario.ts';
import { allOn, TOKENS } from '../../peers/operated.ts';
import { sluice } from '../../peers/sluice.ts';

const STREAM_COUNTS = [1, 16];
const WARM_UP_BYTES = 512 * MIB;

const CALLS_IN_FLIGHT = 32;
const CALL_WARM_UP_SECONDS = 2;

const allOff: Contender = { ...sluice, name: 'all off' };

export const production: Scenario = {
  name: 'production',
  describe:
    'tokens, rules, a line in a file for each request and metrics that are scraped each second, beside none of them: 1 and 16 streams, and small calls',
  bars: [
    ...STREAM_COUNTS.map((streams) =>
      atLeast(0.97, ratioOf('rateMibPerSec', `all on × ${streams}`, `all off × ${streams}`)),
    ),
    atLeast(0.97, ratioOf('requestsPerSec', 'all on, calls', 'all off, calls')),
  ],
  async prepare(context) {
    const size = context.quick ? GIB / 2 : GIB;
    const file = await context.files.random(size);
    const plan = { file, warmUpStart: size - WARM_UP_BYTES, seconds: context.quick ? 3 : 6 };
    const contenders = [allOff, allOn];
    return [
      ...STREAM_COUNTS.flatMap((streams) =>
        contenders.map((contender) =>
          loadCase(`${contender.name} × ${streams}`, contender, context, { ...plan, streams }),
        ),
      ),
      callsCase(allOff, context, file),
      callsCase(allOn, context, file, TOKENS.ours),
    ];
  },
};

function callsCase(contender: Contender, context: BenchContext, file: string, token?: string): Case {
  return {
    name: `${contender.name}, calls`,
    measure: () =>
      withServer(contender, context, async ({ target, pid }) => {
        const request = {
          target,
          serverPid: pid,
          token,
          file,
          inFlight: CALLS_IN_FLIGHT,
          warmUpSeconds: CALL_WARM_UP_SECONDS,
          seconds: context.quick ? 3 : 6,
        };
        const report = await finishDriver<UnaryLoadReport>(startDriver('unary-load', request));
        return {
          requestsPerSec: report.calls / report.seconds,
          serverCpuMsPerRequest: (report.serverCpuSeconds * 1000) / report.calls,
        };
      }),
  };
}
