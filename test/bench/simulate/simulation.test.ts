/** The simulation against queues whose answer is known. Seeds are fixed, so each run is the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  exponential,
  type FlowKind,
  type Seen,
  type Size,
  simulate,
  twoSizes,
} from '../../../bench/simulate/simulation.ts';

const unlimited = Number.POSITIVE_INFINITY;

/** One resource of capacity 1. */
function oneServer(perSec: number, size: Size, more: Partial<FlowKind> = {}, capacity = 1) {
  const kind: FlowKind = {
    arrivals: { perSec },
    size,
    maxRate: unlimited,
    latencySec: 0,
    routes: [[{ resource: 0, perUnit: 1 }]],
    routing: 'random',
    ...more,
  };
  const outcome = simulate({
    capacities: [capacity],
    kinds: [kind],
    seconds: 250_000,
    skipSec: 10_000,
    seed: 1,
  });
  return { used: outcome.used[0] ?? 0, ...(outcome.seen[0] as Seen) };
}

function assertNear(actual: number, expected: number, share: number, what: string): void {
  const difference = Math.abs(actual / expected - 1);
  assert.ok(difference < share, `${what}: ${actual}, expected ${expected}`);
}

for (const [name, size] of [
  ['exponential (M/M/1-PS)', exponential(1)],
  ['constant (M/D/1-PS)', () => 1],
  ['of two kinds, one ten times the other (M/G/1-PS)', twoSizes(1, 10, 0.1)],
] as const) {
  for (const load of [0.3, 0.7]) {
    test(`with sizes that are ${name} at load ${load}, a flow takes its size ÷ (1 − load)`, () => {
      const { meanFlows, meanSec, used } = oneServer(load, size);
      assertNear(used, load, 0.02, 'used');
      assertNear(meanSec, 1 / (1 - load), 0.05, 'seconds');
      assertNear(meanFlows, load / (1 - load), 0.05, 'flows');
    });
  }
}

test('flows that nothing but their own rate limits take size ÷ rate (M/M/∞)', () => {
  const { meanFlows, meanSec } = oneServer(2, exponential(3), { maxRate: 0.5 }, 1000);
  assertNear(meanSec, 6, 0.02, 'seconds');
  assertNear(meanFlows, 12, 0.02, 'flows');
});

test('flows that can use one of c servers each are as many as in M/M/c', () => {
  const [servers, load] = [4, 0.8];
  const { meanFlows } = oneServer(servers * load, exponential(1), { maxRate: 1 }, servers);
  assertNear(meanFlows, meanInMMc(servers, load), 0.05, 'flows');
});

/** Erlang C. */
function meanInMMc(servers: number, load: number): number {
  const offered = servers * load;
  let term = 1;
  let sum = 0;
  for (let n = 0; n < servers; n += 1) {
    sum += term;
    term *= offered / (n + 1);
  }
  const waiting = term / (1 - load) / (sum + term / (1 - load));
  return offered + (waiting * load) / (1 - load);
}

test('what waits for its first byte uses nothing', () => {
  const { meanSec, used } = oneServer(0.5, exponential(1), { latencySec: 10 });
  assertNear(meanSec, 12, 0.05, 'seconds');
  assertNear(used, 0.5, 0.02, 'used');
});

test('a burst is over when its work has been done', () => {
  const { ended, maxSec } = oneServer(0, () => 2, { arrivals: { atSec: 20_000, count: 50 } });
  assert.equal(ended, 50);
  assertNear(maxSec, 100, 1e-9, 'seconds');
});

test('flows by turns on two servers wait less than flows at random', () => {
  const routes = [[{ resource: 0, perUnit: 1 }], [{ resource: 1, perUnit: 1 }]];
  const meanBy = (routing: FlowKind['routing']) => {
    const kind = {
      arrivals: { perSec: 1.6 },
      size: () => 1,
      maxRate: unlimited,
      latencySec: 0,
      routes,
      routing,
    };
    return (
      simulate({ capacities: [1, 1], kinds: [kind], seconds: 20_000, skipSec: 1000, seed: 1 }).seen[0]
        ?.meanSec ?? 0
    );
  };
  assertNear(meanBy('random'), 5, 0.1, 'seconds at random');
  assert.ok(meanBy('in turn') < meanBy('random') * 0.8);
});

test('the same seed gives the same run, another one another', () => {
  const run = (seed: number) =>
    simulate({
      capacities: [1],
      kinds: [
        {
          arrivals: { perSec: 0.5 },
          size: exponential(1),
          maxRate: unlimited,
          latencySec: 0,
          routes: [[{ resource: 0, perUnit: 1 }]],
          routing: 'random',
        },
      ],
      seconds: 1000,
      skipSec: 0,
      seed,
    });
  assert.deepEqual(run(7), run(7));
  assert.notDeepEqual(run(7), run(8));
});
