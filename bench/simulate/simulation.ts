/**
 * A discrete-event simulation of flows that share resources: they arrive, wait for
 * a first byte, are served at max-min fair rates, and leave. Flows of one kind on
 * one route always have the same rate, so what each of them has been served since
 * the start is one number for all of them, and a flow leaves when that number has
 * grown by its size: an event costs as much as there are kinds and routes, however
 * many flows there are. The same seed gives the same run.
 */
import { Random } from '../../test/support/seed.ts';
import { type Demand, type FlowGroup, fairRates } from './fair-share.ts';
import { Heap } from './heap.ts';

/** Draws the size of a flow. */
export type Size = (random: Random) => number;

export interface FlowKind {
  /** At random times, so many each second on average; or so many at one moment. */
  readonly arrivals: { readonly perSec: number } | { readonly atSec: number; readonly count: number };
  readonly size: Size;
  /** Of one flow, in units of size each second. */
  readonly maxRate: number;
  /** Until its first unit can be served. */
  readonly latencySec: number;
  /** What it takes of the resources, by one of these ways. */
  readonly routes: readonly (readonly Demand[])[];
  /** How a new flow gets its way. */
  readonly routing: 'random' | 'in turn';
}

export interface Plan {
  /** Of each resource, in its own unit, each second. */
  readonly capacities: readonly number[];
  readonly kinds: readonly FlowKind[];
  readonly seconds: number;
  /** Nothing counts that arrives or is used before. */
  readonly skipSec: number;
  readonly seed: number;
}

/** What became of the flows of a kind that arrived while it counted. */
export interface Seen {
  readonly ended: number;
  /** From arrival to end. */
  readonly meanSec: number;
  readonly maxSec: number;
  /** In the system, averaged over time. */
  readonly meanFlows: number;
}

export interface Outcome {
  /** By kind. */
  readonly seen: readonly Seen[];
  /** Of each resource, the share of its capacity that was used. */
  readonly used: readonly number[];
}

/** Exponential with this mean. */
export function exponential(mean: number): Size {
  return (random) => -Math.log(1 - random.next()) * mean;
}

/** Of many small and few large ones: `ratio` times the smaller with the given chance. */
export function twoSizes(mean: number, ratio: number, chance: number): Size {
  const small = mean / (1 - chance + ratio * chance);
  return (random) => (random.next() < chance ? small * ratio : small);
}

export function simulate(plan: Plan): Outcome {
  return new Simulation(plan).run();
}

/** Flows of one kind on one route. */
class Group implements FlowGroup {
  readonly maxRate: number;
  readonly demands: readonly Demand[];
  readonly kind: number;
  /** By what `served` is when they end; the value is when they came. */
  readonly #ends = new Heap<number>();
  /** Units, of each flow that has been there from the start. */
  #served = 0;
  rate = 0;

  constructor(kind: number, { maxRate }: FlowKind, demands: readonly Demand[]) {
    this.kind = kind;
    this.maxRate = maxRate;
    this.demands = demands;
  }

  get flows(): number {
    return this.#ends.size;
  }

  get secondsToNextEnd(): number {
    return this.flows === 0 || this.rate === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(0, this.#ends.smallest - this.#served) / this.rate;
  }

  add(size: number, cameSec: number): void {
    this.#ends.push(this.#served + size, cameSec);
  }

  serve(seconds: number): void {
    this.#served += this.rate * seconds;
  }

  /** Takes out the flow that ends next, and returns when it came. */
  end(): number {
    this.#served = this.#ends.smallest;
    return this.#ends.pop() as number;
  }
}

/** Counts what happens to the flows of a kind. */
class Account {
  #ended = 0;
  #sumSec = 0;
  #maxSec = 0;
  #flowSeconds = 0;
  flows = 0;

  pass(seconds: number): void {
    this.#flowSeconds += this.flows * seconds;
  }

  end(seconds: number): void {
    this.#ended += 1;
    this.#sumSec += seconds;
    this.#maxSec = Math.max(this.#maxSec, seconds);
  }

  seen(seconds: number): Seen {
    return {
      ended: this.#ended,
      meanSec: this.#sumSec / this.#ended,
      maxSec: this.#maxSec,
      meanFlows: this.#flowSeconds / seconds,
    };
  }
}

class Simulation {
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #groups: readonly Group[];
  readonly #groupsOfKind: readonly (readonly Group[])[];
  readonly #accounts: readonly Account[];
  /** What happens at a known time: arrivals, and first bytes. */
  readonly #events = new Heap<() => void>();
  readonly #turns: number[];
  readonly #used: number[];
  #nowSec = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
    this.#groupsOfKind = plan.kinds.map((kind, index) =>
      kind.routes.map((demands) => new Group(index, kind, demands)),
    );
    this.#groups = this.#groupsOfKind.flat();
    this.#accounts = plan.kinds.map(() => new Account());
    this.#turns = plan.kinds.map(() => 0);
    this.#used = plan.capacities.map(() => 0);
    for (const [index, { arrivals }] of plan.kinds.entries()) {
      if ('count' in arrivals) this.#at(arrivals.atSec, () => this.#burst(index, arrivals.count));
      else this.#scheduleArrival(index, arrivals.perSec);
    }
  }

  run(): Outcome {
    const { capacities, seconds, skipSec } = this.#plan;
    while (this.#nowSec < seconds) this.#step();
    const counted = seconds - skipSec;
    return {
      seen: this.#accounts.map((account) => account.seen(counted)),
      used: this.#used.map((used, resource) => used / counted / (capacities[resource] ?? 1)),
    };
  }

  /** To the next event, whichever it is. */
  #step(): void {
    const rates = fairRates(this.#groups, this.#plan.capacities);
    let next: Group | undefined;
    let endSec = Number.POSITIVE_INFINITY;
    for (const [index, group] of this.#groups.entries()) {
      group.rate = rates[index] ?? 0;
      const groupEndSec = this.#nowSec + group.secondsToNextEnd;
      if (groupEndSec >= endSec) continue;
      next = group;
      endSec = groupEndSec;
    }
    const atSec = Math.min(endSec, this.#events.smallest, this.#plan.seconds);
    this.#passTo(atSec);
    if (atSec === this.#plan.seconds) return;
    if (next !== undefined && atSec === endSec) this.#end(next);
    else this.#events.pop()?.();
  }

  #passTo(atSec: number): void {
    const seconds = atSec - this.#nowSec;
    const countedSec = Math.max(0, atSec - Math.max(this.#nowSec, this.#plan.skipSec));
    for (const group of this.#groups) {
      group.serve(seconds);
      for (const { resource, perUnit } of group.demands)
        this.#used[resource] = (this.#used[resource] ?? 0) + group.flows * group.rate * perUnit * countedSec;
    }
    for (const account of this.#accounts) account.pass(countedSec);
    this.#nowSec = atSec;
  }

  #end(group: Group): void {
    const cameSec = group.end();
    const account = this.#accounts[group.kind] as Account;
    account.flows -= 1;
    if (cameSec >= this.#plan.skipSec) account.end(this.#nowSec - cameSec);
  }

  #scheduleArrival(kind: number, perSec: number): void {
    this.#at(this.#nowSec + exponential(1 / perSec)(this.#random), () => {
      this.#arrive(kind);
      this.#scheduleArrival(kind, perSec);
    });
  }

  #burst(kind: number, count: number): void {
    for (let arrived = 0; arrived < count; arrived += 1) this.#arrive(kind);
  }

  #arrive(index: number): void {
    const { latencySec, size } = this.#plan.kinds[index] as FlowKind;
    const cameSec = this.#nowSec;
    const units = size(this.#random);
    const group = this.#route(index);
    (this.#accounts[index] as Account).flows += 1;
    if (latencySec === 0) group.add(units, cameSec);
    else this.#at(cameSec + latencySec, () => group.add(units, cameSec));
  }

  #route(index: number): Group {
    const groups = this.#groupsOfKind[index] as readonly Group[];
    if ((this.#plan.kinds[index] as FlowKind).routing === 'random') return this.#random.pick(groups);
    const turn = this.#turns[index] ?? 0;
    this.#turns[index] = (turn + 1) % groups.length;
    return groups[turn] as Group;
  }

  #at(sec: number, happens: () => void): void {
    this.#events.push(sec, happens);
  }
}
