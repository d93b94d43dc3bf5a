/**
 * The model beside the simulation: event loops that are filled as the model says,
 * with arrivals at random. The unit of all flows is a second of an event loop, so
 * that flows share it by time. `example-run.ts` fills whole machines.
 */
import { GIB } from '../../src/base/units.ts';
import type { Cost, Measured } from './constants.ts';
import { reconnectSec, transferOf } from './model.ts';
import { exponential, type FlowKind, type Outcome, simulate } from './simulation.ts';

const SEED = 20;

/** On average. */
const TRANSFER_BYTES = GIB / 8;
const TRANSFERS = 4000;
/** The share of the run that does not count. */
const SKIPPED = 0.05;

const unlimited = Number.POSITIVE_INFINITY;

/** What a transfer takes of an event loop, and so its time alone on one. */
function loopSecOf(measured: Measured): number {
  return (transferOf(measured, 'download').server.loopSec / GIB) * TRANSFER_BYTES;
}

/** Transfers that fill so many event loops to `load`. */
function transfersOn(
  measured: Measured,
  loops: number,
  load: number,
  { maxRate = unlimited, routing }: Pick<FlowKind, 'routing'> & Partial<Pick<FlowKind, 'maxRate'>>,
): FlowKind & { arrivals: { perSec: number } } {
  const loopSec = loopSecOf(measured);
  return {
    arrivals: { perSec: (loops * load) / loopSec },
    size: exponential(loopSec),
    maxRate,
    latencySec: 0,
    routes: routesOver(loops),
    routing,
  };
}

function routesOver(loops: number): FlowKind['routes'] {
  return Array.from({ length: loops }, (_, resource) => [{ resource, perUnit: 1 }]);
}

function run(loops: number, kinds: readonly FlowKind[], seconds: number): Outcome {
  const capacities = new Array<number>(loops).fill(1);
  return simulate({ capacities, kinds, seconds, skipSec: seconds * SKIPPED, seed: SEED });
}

function runTransfers(loops: number, kind: ReturnType<typeof transfersOn>): Outcome {
  return run(loops, [kind], TRANSFERS / kind.arrivals.perSec);
}

export interface Filled {
  readonly load: number;
  /** By the simulation: the share of the event loop that was used. */
  readonly used: number;
  /** By the simulation: how many times as long a transfer takes as alone. */
  readonly slowdown: number;
}

/** One event loop and clients whose links are `clientShare` of what it can move. */
export function fill(measured: Measured, load: number, clientShare: number): Filled {
  const maxRate = Math.min(1, clientShare);
  const { seen, used } = runTransfers(1, transfersOn(measured, 1, load, { maxRate, routing: 'random' }));
  const aloneSec = loopSecOf(measured) / maxRate;
  return { load, used: used[0] ?? 0, slowdown: (seen[0]?.meanSec ?? 0) / aloneSec };
}

/** New transfers go to event loops by turns, or at random as a hash spreads them. How many times as long they take as alone. */
export function spread(
  measured: Measured,
  loops: number,
  load: number,
  routing: FlowKind['routing'],
): number {
  const { seen } = runTransfers(loops, transfersOn(measured, loops, load, { routing }));
  return (seen[0]?.meanSec ?? 0) / loopSecOf(measured);
}

export interface Lost {
  /** Of the event loops that are left, by transfers. */
  readonly load: number;
  /** The arithmetic of `reconnectSec`, with nothing else to do. */
  readonly expectedSec: number;
  /** By the simulation: until the last one is connected. */
  readonly reconnectedSec: number;
  /** By the simulation: the longest transfer, as a multiple of one alone. */
  readonly slowest: number;
  /** The same while nothing is lost. */
  readonly slowestBefore: number;
}

/** One of `loops` is lost, and its clients connect to the others at one moment, while transfers go on. */
export function lose(
  measured: Measured,
  connection: Cost,
  { loops, load, clientsOfEach }: { loops: number; load: number; clientsOfEach: number },
): Lost {
  const left = loops - 1;
  const loadLeft = (load * loops) / left;
  const transfers = transfersOn(measured, left, loadLeft, { routing: 'in turn' });
  const seconds = TRANSFERS / transfers.arrivals.perSec;
  const reconnects: FlowKind = {
    arrivals: { atSec: seconds / 2, count: clientsOfEach },
    size: () => connection.loopSec,
    maxRate: unlimited,
    latencySec: 0,
    routes: routesOver(left),
    routing: 'in turn',
  };
  const before = run(left, [transfers], seconds);
  const after = run(left, [transfers, reconnects], seconds);
  const aloneSec = loopSecOf(measured);
  return {
    load: loadLeft,
    expectedSec: reconnectSec(clientsOfEach, left, connection),
    reconnectedSec: after.seen[1]?.maxSec ?? 0,
    slowest: (after.seen[0]?.maxSec ?? 0) / aloneSec,
    slowestBefore: (before.seen[0]?.maxSec ?? 0) / aloneSec,
  };
}
