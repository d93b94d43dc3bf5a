/** One file over several connections and servers: where each gets only a share, where one is lost, and where one fills the link. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkProcess } from '../../link-emulator/link-process.ts';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, figureOf, ratioOf } from '../harness/bar.ts';
import type { LoadPlan, Server } from '../harness/contender.ts';
import { throughLink } from '../harness/far.ts';
import { type Metrics, toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice } from '../peers/sluice.ts';

/** Four ranges that no connection takes a part of. */
const FAR_BYTES = 64 * MIB;
const SERVERS_BYTES = GIB;
/** Long enough for a further connection to be tried. */
const NEAR_BYTES = 4 * GIB;

const ROUND_TRIP_MS = 64;

/**
 * A link that loses packets gives each connection a rate of its own, whatever its bandwidth: segment ÷ round trip ×
 * 1.2 ÷ √loss (Mathis et al., 1997), here 0.27 MiB/s. Twenty times that, so that a round takes seconds.
 */
const LOSSY_BYTES_PER_SEC = Math.round(5.4 * MIB);

const SERVER_BYTES_PER_SEC = 50 * MIB;

const POLL_MS = 20;

export const stripes: Scenario = {
  name: 'stripes',
  describe:
    'a download to a path, durable: over connections with a rate of their own, from two servers of 50 MiB/s, on loopback',
  bars: [
    atLeast(2, ratioOf('rateMibPerSec', 'far, 4 connections', 'far, 1 connection')),
    atLeast(95, figureOf('rateMibPerSec', 'two servers')),
    atLeast(45, figureOf('rateMibPerSec', 'two servers, behind the kill of one')),
    atLeast(0.97, ratioOf('rateMibPerSec', 'near, default', 'near, 1 connection')),
  ],
  async prepare(context) {
    const { files, quick } = context;
    const far = await files.random(FAR_BYTES);
    const servers = await files.random(SERVERS_BYTES);
    const near = await files.random(quick ? GIB : NEAR_BYTES);
    return [
      farCase('far, 1 connection', context, far, 1),
      farCase('far, 4 connections', context, far, 4),
      serversCase('two servers', context, servers, async ({ list, plan }) =>
        toMetrics(await sluice.load(list, plan)),
      ),
      serversCase('two servers, behind the kill of one', context, servers, rateBehindKill),
      nearCase('near, 1 connection', context, near, 1),
      nearCase('near, default', context, near, undefined),
    ];
  },
};

function farCase(name: string, context: BenchContext, file: string, connections: number): Case {
  const link = { delayMs: ROUND_TRIP_MS / 2, connectionRateBytesPerSec: { down: LOSSY_BYTES_PER_SEC } };
  return stripedCase(name, context, file, connections, (server, plan) =>
    throughLink(server, link, async (away) => toMetrics(await sluice.load(away, plan))),
  );
}

function nearCase(name: string, context: BenchContext, file: string, connections: number | undefined): Case {
  return stripedCase(name, context, file, connections, async (server, plan) =>
    toMetrics(await sluice.load(server, plan)),
  );
}

/** Two servers of one directory, each behind a link of its own. */
interface TwoServers {
  /** Both as one target. */
  readonly list: Server;
  readonly plan: LoadPlan;
  readonly links: readonly LinkProcess[];
  /** One of them. */
  readonly victim: Server;
}

function serversCase(
  name: string,
  context: BenchContext,
  file: string,
  measure: (servers: TwoServers) => Promise<Metrics>,
): Case {
  const link = { rateBytesPerSec: { down: SERVER_BYTES_PER_SEC } };
  return stripedCase(name, context, file, undefined, (one, plan) =>
    withServer(sluice, context, (victim) =>
      throughLink(one, link, (oneAway, oneLink) =>
        throughLink(victim, link, (otherAway, otherLink) => {
          const list = { ...one, target: `${oneAway.target},${otherAway.target}` };
          return measure({ list, plan, links: [oneLink, otherLink], victim });
        }),
      ),
    ),
  );
}

/** Of what has not arrived when one of the servers is killed, half-way. */
async function rateBehindKill({ list, plan, links, victim }: TwoServers): Promise<Metrics> {
  let isOver = false;
  const load = sluice.load(list, plan).finally(() => {
    isOver = true;
  });
  load.catch(() => {});
  let arrivedBytes = 0;
  while (!isOver && arrivedBytes < SERVERS_BYTES / 2) {
    await sleep(POLL_MS);
    const stats = await Promise.all(links.map((link) => link.stats()));
    arrivedBytes = stats.reduce((sum, { downBytes }) => sum + downBytes, 0);
  }
  process.kill(victim.pid, 'SIGKILL');
  const killedAtMs = performance.now();
  const { bytes } = await load;
  const seconds = (performance.now() - killedAtMs) / 1000;
  return { rateMibPerSec: (bytes - arrivedBytes) / MIB / seconds };
}

/** A case that downloads a file of a fresh server, and removes what has come of it. */
function stripedCase(
  name: string,
  context: BenchContext,
  file: string,
  connections: number | undefined,
  measure: (server: Server, plan: LoadPlan) => Promise<Metrics>,
): Case {
  const path = join(context.files.directory, 'striped');
  const plan: LoadPlan = {
    file,
    sink: { kind: 'file', path, synced: true },
    verified: true,
    ...(connections === undefined ? {} : { stripes: connections }),
  };
  return {
    name,
    measure: () =>
      withServer(sluice, context, async (server) => {
        try {
          return await measure(server, plan);
        } finally {
          rmSync(path, { force: true });
        }
      }),
  };
}
