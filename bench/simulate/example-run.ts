/** Whole machines in the simulation, as many as the model says that a load needs. */
import { GIB } from '../../src/base/units.ts';
import type { Measured } from './constants.ts';
import type { Demand } from './fair-share.ts';
import {
  type Backend,
  flowsOf,
  type Load,
  type Prediction,
  predict,
  type ServerMachine,
  wireShare,
  workBesideTransfers,
} from './model.ts';
import { exponential, type FlowKind, simulate } from './simulation.ts';

const SEED = 20;
/** Of a transfer at its own rate, on average. */
const TRANSFER_SEC = 10;
/** Until as many run as will. */
const SKIP_SEC = 40;
const RUN_SEC = 80;
/** Longer where transfers are rare. */
const TRANSFERS = 1000;

/** Of each machine, in the order of their indices. */
const RESOURCES = ['event loops', 'cores', 'network out', 'network in'] as const;

export interface Run {
  readonly predicted: Prediction;
  /** Of the resource that is used most, on average over the machines. */
  readonly resource: (typeof RESOURCES)[number];
  /** The share that the model expects, and that the simulation uses. */
  readonly expectedUse: number;
  readonly used: number;
  /** How many times as long a transfer takes as with its own rate alone. */
  readonly slowdown: number;
}

export function runExample(load: Load, machine: ServerMachine, backend: Backend, measured: Measured): Run {
  const predicted = predict(load, machine, backend, measured, 0.7);
  const { machines } = predicted;
  const beside = workBesideTransfers(load, measured);
  const capacities = Array.from({ length: machines }, () => [
    machine.processes - beside.loopSec / machines,
    machine.cores - beside.cpuSec / machines,
    machine.linkBytesPerSec,
    machine.linkBytesPerSec,
  ]).flat();
  const bytesPerSec = load.clients * load.bytesPerClientSec;
  const transferBytes = load.transferBytesPerSec * TRANSFER_SEC;
  const seconds = Math.max(RUN_SEC, SKIP_SEC + TRANSFERS / (bytesPerSec / transferBytes));
  const kinds = [
    kindOf(bytesPerSec * (1 - load.uploadShare), demandsOf('download')),
    kindOf(bytesPerSec * load.uploadShare, demandsOf('upload')),
  ].filter(({ arrivals }) => arrivals.perSec > 0);
  const { seen, used } = simulate({ capacities, kinds, seconds, skipSec: SKIP_SEC, seed: SEED });
  const shares = RESOURCES.map((_, at) => mean(used.filter((_, index) => index % RESOURCES.length === at)));
  const most = shares.indexOf(Math.max(...shares));
  // By Little, from how many there were: of those that ended in the time, the long ones would be missing.
  const flows = seen.reduce((sum, each) => sum + each.meanFlows, 0);
  const meanSec = flows / (bytesPerSec / transferBytes);
  return {
    predicted,
    resource: RESOURCES[most] ?? 'cores',
    expectedUse: expectedUse(capacities[most] ?? 0, demandsOf('download'), demandsOf('upload')),
    used: shares[most] ?? 0,
    slowdown: meanSec / (backend.latencySec + TRANSFER_SEC),
  };

  function kindOf(perSec: number, demands: readonly number[]): FlowKind & { arrivals: { perSec: number } } {
    return {
      arrivals: { perSec: perSec / transferBytes },
      size: exponential(transferBytes),
      maxRate: load.transferBytesPerSec,
      latencySec: backend.latencySec,
      routes: Array.from({ length: machines }, (_, index) => routeTo(index, demands)),
      routing: 'in turn',
    };
  }

  /** For each byte of a file, of each resource. */
  function demandsOf(direction: 'download' | 'upload'): number[] {
    const { server } = flowsOf(load, backend, measured)[direction];
    const wire = wireShare(load, measured);
    const behind = backend.kind === 'bucket' ? 1 : 0;
    const network = direction === 'download' ? [wire, behind] : [behind, wire];
    return [server.loopSec / GIB, server.cpuSec / GIB, ...network];
  }

  function expectedUse(capacity: number, down: readonly number[], up: readonly number[]): number {
    const perByte = (down[most] ?? 0) * (1 - load.uploadShare) + (up[most] ?? 0) * load.uploadShare;
    return (bytesPerSec * perByte) / machines / capacity;
  }
}

function routeTo(machine: number, demands: readonly number[]): Demand[] {
  return demands.map((perUnit, at) => ({ resource: machine * RESOURCES.length + at, perUnit }));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
