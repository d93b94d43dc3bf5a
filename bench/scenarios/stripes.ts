/** One file over several connections and servers: where each gets only a share, where one is lost, where all end early, and where one fills the link. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkProcess } from '../../link-emulator/link-process.ts';
import { GIB, MIB } from '../../src/base/units.ts';
import { atLeast, figureOf, ratioOf } from '../harness/bar.ts';
import type { Contender, LoadPlan, Server } from '../harness/contender.ts';
import { throughBalancer, throughLink } from '../harness/far.ts';
import { type Metrics, toMetrics } from '../harness/metrics.ts';
import { type BenchContext, type Case, type Scenario, withServer } from '../harness/scenario.ts';
import { sluice, startSluice } from '../peers/sluice.ts';

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

/** Half a minute at the rate of a server. */
const AGING_BYTES = 1500 * MIB;

/** Connections end with the calls that run on them. */
const AGING_FLAGS = ['--version-by=size-mtime', '--connection-max-age=2s', '--connection-max-age-grace=0'];

const POLL_MS = 20;

export const stripes: Scenario = {
  name: 'stripes',
  describe:
    'a download to a path, durable: over connections with a rate of their own, from two servers of 50 MiB/s, from two that end connections after 2 s behind a balancer of them, on loopback',
  bars: [
    atLeast(2, ratioOf('rateMibPerSec', 'far, 4 connections', 'far, 1 connection')),
    atLeast(95, figureOf('rateMibPerSec', 'two servers')),
    atLeast(45, figureOf('rateMibPerSec', 'two servers, behind the kill of one')),
    atLeast(0.8, ratioOf('rateMibPerSec', 'copies that end connections', 'one server that does not')),
    atLeast(0.97, ratioOf('rateMibPerSec', 'near, default', 'near, 1 connection')),
  ],
  async prepare(context) {
    const { files, quick } = context;
    const far = await files.random(FAR_BYTES);
    const servers = await files.random(SERVERS_BYTES);
    const aging = await files.random(quick ? AGING_BYTES / 3 : AGING_BYTES);
    const near = await files.random(quick ? GIB : NEAR_BYTES);
    return [
      farCase('far, 1 connection', context, far, 1),
      farCase('far, 4 connections', context, far, 4),
      serversCase('two servers', context, servers, async ({ list, plan }) =>
        toMetrics(await sluice.load(list, plan)),
      ),
      serversCase('two servers, behind the kill of one', context, servers, rateBehindKill),
      agingCase('one server that does not', context, aging, [sluice]),
      agingCase('copies that end connections', context, aging, [
        agingServer(),
        agingServer(copyOf(files.directory, aging)),
      ]),
      nearCase('near, 1 connection', context, near, 1),
      nearCase('near, default', context, near, undefined),
    ];
  },
};

function farCase(name: string, context: BenchContext, file: string, connections: number): Case {
  const link = { delayMs: ROUND_TRIP_MS / 2, connectionRateBytesPerSec: { down: LOSSY_BYTES_PER_SEC } };
  return stripedCase(name, context, file, connections, (plan) =>
    withServer(sluice, context, (server) =>
      throughLink(server, link, async (away) => toMetrics(await sluice.load(away, plan))),
    ),
  );
}

function nearCase(name: string, context: BenchContext, file: string, connections: number | undefined): Case {
  return stripedCase(name, context, file, connections, (plan) =>
    withServer(sluice, context, async (server) => toMetrics(await sluice.load(server, plan))),
  );
}

/** A directory of its own with a copy of the file, its time included. */
function copyOf(directory: string, file: string): string {
  const copies = join(directory, 'copies');
  mkdirSync(copies, { recursive: true });
  execFileSync('cp', ['-p', join(directory, file), copies]);
  return copies;
}

/** Serves a directory of its own, where that is given. */
function agingServer(own?: string): Contender {
  return { ...sluice, start: (directory) => startSluice(own ?? directory, AGING_FLAGS) };
}

/** Behind a balancer that gives each connection to the next of the servers, all of them together at the rate of one. */
function agingCase(name: string, context: BenchContext, file: string, servers: readonly Contender[]): Case {
  const link = { rateBytesPerSec: { down: SERVER_BYTES_PER_SEC } };
  return stripedCase(name, context, file, undefined, (plan) =>
    withServers(servers, context, (started) =>
      throughBalancer(started, link, async ({ address }) =>
        toMetrics(await sluice.load({ ...(started[0] as Server), target: address }, plan)),
      ),
    ),
  );
}

async function withServers<T>(
  [first, ...others]: readonly Contender[],
  context: BenchContext,
  work: (servers: readonly Server[]) => Promise<T>,
): Promise<T> {
  if (first === undefined) return await work([]);
  return await withServer(first, context, (server) =>
    withServers(others, context, (servers) => work([server, ...servers])),
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
  return stripedCase(name, context, file, undefined, (plan) =>
    withServers([sluice, sluice], context, async ([one, victim]) => {
      if (one === undefined || victim === undefined) throw new Error('there are two servers');
      return await throughLink(one, link, (oneAway, oneLink) =>
        throughLink(victim, link, (otherAway, otherLink) => {
          const list = { ...one, target: `${oneAway.target},${otherAway.target}` };
          return measure({ list, plan, links: [oneLink, otherLink], victim });
        }),
      );
    }),
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

/** A case that downloads a file, and removes what has come of it. */
function stripedCase(
  name: string,
  context: BenchContext,
  file: string,
  connections: number | undefined,
  measure: (plan: LoadPlan) => Promise<Metrics>,
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
    async measure() {
      try {
        return await measure(plan);
      } finally {
        rmSync(path, { force: true });
      }
    },
  };
}
