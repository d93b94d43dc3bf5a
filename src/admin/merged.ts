/** What several processes tell of themselves, as one server. */
import type {
  EventLoop,
  HistoryPoint,
  IdentityUse,
  Memory,
  OpenUpload,
  Places,
  Pool,
  ServerState,
  Slabs,
  Totals,
  Transfer,
  WatchResponse,
} from '../wire/admin-messages.ts';
import { HISTORY_INTERVAL_MS } from './history.ts';
import { byRate, MAX_IDENTITIES } from './transfers.ts';
import type { WatchLimits } from './watch.ts';

type NumberKey<Kind> = { [Key in keyof Kind]: Kind[Key] extends number ? Key : never }[keyof Kind];

/** The snapshots of all processes as one. A single one is handed on as it is. */
export function mergedSnapshot(snapshots: readonly WatchResponse[], limits: WatchLimits): WatchResponse {
  const [first, ...others] = snapshots as readonly [WatchResponse, ...WatchResponse[]];
  if (others.length === 0) return first;
  const all = <Key extends keyof WatchResponse>(key: Key) =>
    snapshots.map((each) => each[key] as NonNullable<WatchResponse[Key]>);
  return {
    timeMs: first.timeMs,
    server: serverOf(all('server')),
    totals: sumOf<Totals>(all('totals')),
    transfers: all('transfers').flat().sort(fastestFirst).slice(0, limits.transfers),
    slabs: { ...sumOf<Slabs>(all('slabs')), slabBytes: first.slabs?.slabBytes ?? 0 },
    pool: poolOf(all('pool')),
    eventLoop: loopOf(all('eventLoop')),
    memory: sumOf<Memory>(all('memory')),
    places: first.places.map(({ kind }) => placesOf(kind, all('places').flat())),
    topIdentities: identitiesOf(all('topIdentities').flat()),
    uploads: uploadsOf(all('uploads').flat()).slice(0, limits.uploads),
    events: all('events')
      .flat()
      .sort((a, b) => a.timeMs - b.timeMs),
  };
}

/** Each process has a point for each interval, at a time of its own. */
export function mergedHistory(histories: readonly (readonly HistoryPoint[])[]): HistoryPoint[] {
  const [only, ...others] = histories;
  if (only !== undefined && others.length === 0) return [...only];
  const byTime = new Map<number, HistoryPoint[]>();
  for (const point of histories.flat()) {
    const at = Math.floor(point.timeMs / HISTORY_INTERVAL_MS);
    byTime.set(at, [...(byTime.get(at) ?? []), point]);
  }
  return [...byTime.values()].map(pointOf).sort((a, b) => a.timeMs - b.timeMs);
}

function pointOf(points: readonly HistoryPoint[]): HistoryPoint {
  return {
    ...sumOf<HistoryPoint>(points),
    timeMs: most(points, 'timeMs'),
    eventLoopP50Ms: most(points, 'eventLoopP50Ms'),
    eventLoopP99Ms: most(points, 'eventLoopP99Ms'),
    poolUtilization: mean(points, 'poolUtilization'),
  };
}

function serverOf(states: readonly ServerState[]): ServerState {
  const serving = states.find(({ phase }) => phase === 'PHASE_SERVING');
  const startedMs = Math.min(...states.map((state) => state.startedMs));
  return { ...((serving ?? states[0]) as ServerState), startedMs };
}

function poolOf(pools: readonly Pool[]): Pool {
  return {
    ...sumOf<Pool>(pools),
    utilization: mean(pools, 'utilization'),
    jobMs: weighted(pools, 'jobMs'),
    storageMs: weighted(pools, 'storageMs'),
  };
}

/** Of its jobs, so by how many there are. */
function weighted(pools: readonly Pool[], key: 'jobMs' | 'storageMs'): number {
  const jobs = pools.reduce((sum, { jobsPerSec }) => sum + jobsPerSec, 0);
  if (jobs === 0) return 0;
  return pools.reduce((sum, pool) => sum + pool[key] * pool.jobsPerSec, 0) / jobs;
}

/** The latest of them is what a peer may meet. */
function loopOf(loops: readonly EventLoop[]): EventLoop {
  return {
    p50Ms: most(loops, 'p50Ms'),
    p99Ms: most(loops, 'p99Ms'),
    maxMs: most(loops, 'maxMs'),
    utilization: mean(loops, 'utilization'),
  };
}

function placesOf(kind: string, places: readonly Places[]): Places {
  return { ...sumOf<Places>(places.filter((each) => each.kind === kind)), kind };
}

function identitiesOf(uses: readonly IdentityUse[]): IdentityUse[] {
  const byWho = new Map<string, IdentityUse[]>();
  for (const use of uses) byWho.set(use.who, [...(byWho.get(use.who) ?? []), use]);
  return Array.from(byWho, ([who, of]) => ({ ...sumOf<IdentityUse>(of), who }))
    .sort(byRate)
    .slice(0, MAX_IDENTITIES);
}

/** One that no process has is known to each of them; whoever works on it knows its name. */
function uploadsOf(uploads: readonly OpenUpload[]): OpenUpload[] {
  const byId = new Map<string, OpenUpload>();
  for (const upload of uploads)
    if (byId.get(upload.id)?.name === undefined || upload.name !== '') byId.set(upload.id, upload);
  return [...byId.values()].sort((a, b) => b.touchedMs - a.touchedMs);
}

function fastestFirst(a: Transfer, b: Transfer): number {
  return b.rawBytesPerSec - a.rawBytesPerSec || a.startedMs - b.startedMs;
}

/** Of each number; what is none is that of the first. */
function sumOf<Kind extends object>(all: readonly Kind[]): Kind {
  const sum: Record<string, unknown> = { ...all[0] };
  for (const each of all.slice(1)) {
    for (const [key, value] of Object.entries(each))
      if (typeof value === 'number') sum[key] = (sum[key] as number) + value;
  }
  return sum as Kind;
}

function most<Kind>(all: readonly Kind[], key: NumberKey<Kind>): number {
  return Math.max(...all.map((each) => each[key] as number));
}

function mean<Kind>(all: readonly Kind[], key: NumberKey<Kind>): number {
  return all.reduce((sum, each) => sum + (each[key] as number), 0) / all.length;
}
