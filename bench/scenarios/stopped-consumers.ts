/**
 * What a client holds for streams that nobody reads any more: its windows, and
 * for each stream the queue of its consumer. Both are in docs/ARCHITECTURE.md.
 */
import { GIB, MIB } from '../../src/base/units.ts';
import { STREAM_QUEUE_BYTES } from '../../src/client/limits.ts';
import { resolveOptions } from '../../src/client/options.ts';
import { CLIENT_WINDOW_BUDGET_BYTES } from '../../src/flow/windows/client-windows.ts';
import type { HeldReport } from '../drivers/protocol.ts';
import { atMost, type Bar, figureOf } from '../harness/bar.ts';
import { finishDriver, startDriver } from '../harness/contender.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';

const STREAMS = 64;
const WARM_UP_BYTES = 256 * MIB;

/** Whatever the windows let in has come by then; nothing tells when it has. */
const HOLD_SECONDS = 3;

const { chunkBytes, maxWindowBytes } = resolveOptions({});

/** Beside the windows: the queue, filled by one chunk too many, one chunk that waits for it, and one that is put together. */
const QUEUES_BYTES = STREAMS * (STREAM_QUEUE_BYTES + 3 * chunkBytes);

interface Connections {
  readonly name: string;
  readonly connections: number;
  /** What their windows may be together. */
  readonly windowBytes: number;
}

const WAYS: readonly Connections[] = [
  { name: 'one connection', connections: 1, windowBytes: maxWindowBytes },
  { name: 'a connection each', connections: STREAMS, windowBytes: CLIENT_WINDOW_BUDGET_BYTES },
];

type Temperature = 'in use' | 'new';

const describeCase = ({ name }: Connections, temperature: Temperature) => `${name}, ${temperature}`;

export const stoppedConsumers: Scenario = {
  name: 'stopped-consumers',
  describe: `${STREAMS} streams of a client whose consumers take one piece and stop`,
  bars: WAYS.flatMap((way) => [barOf(way, 'in use'), barOf(way, 'new')]),
  async prepare(context) {
    const file = await context.files.random(context.quick ? GIB / 4 : GIB);
    return WAYS.flatMap((way) => [
      stoppedCase(way, 'in use', context, file),
      stoppedCase(way, 'new', context, file),
    ]);
  },
};

function barOf(way: Connections, temperature: Temperature): Bar {
  return atMost(
    (way.windowBytes + QUEUES_BYTES) / MIB,
    figureOf('clientGrowthMib', describeCase(way, temperature)),
  );
}

function stoppedCase(way: Connections, temperature: Temperature, context: BenchContext, file: string): Case {
  const name = describeCase(way, temperature);
  const warmUpBytes = temperature === 'in use' ? WARM_UP_BYTES : 0;
  const { connections } = way;
  const request = { file, streams: STREAMS, connections, warmUpBytes, seconds: HOLD_SECONDS };
  return {
    name,
    parameters: { contender: name, streams: STREAMS },
    measure: () =>
      withServer(sluice, context, async ({ target }) => {
        const driver = startDriver('stopped-consumers', { ...request, target });
        const { peakRssBytes, rssBeforeBytes } = await finishDriver<HeldReport>(driver);
        return {
          clientPeakRssMib: peakRssBytes / MIB,
          clientGrowthMib: (peakRssBytes - rssBeforeBytes) / MIB,
        };
      }),
  };
}
