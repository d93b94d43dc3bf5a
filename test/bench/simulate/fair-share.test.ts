import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FlowGroup, fairRates } from '../../../bench/simulate/fair-share.ts';

const unlimited = Number.POSITIVE_INFINITY;

test('flows on one resource have equal shares of it', () => {
  const flows = { maxRate: unlimited, demands: [{ resource: 0, perUnit: 2 }] };
  assert.deepEqual(
    fairRates(
      [
        { ...flows, flows: 3 },
        { ...flows, flows: 1 },
      ],
      [80],
    ),
    [10, 10],
  );
});

test('what a slow flow leaves goes to the others', () => {
  const demands = [{ resource: 0, perUnit: 1 }];
  const groups = [
    { flows: 1, maxRate: 10, demands },
    { flows: 2, maxRate: unlimited, demands },
  ];
  assert.deepEqual(fairRates(groups, [100]), [10, 45]);
});

test('the long flow of a line shares with each short one, and leaves them what it cannot use elsewhere', () => {
  const groups = [
    {
      flows: 1,
      maxRate: unlimited,
      demands: [
        { resource: 0, perUnit: 1 },
        { resource: 1, perUnit: 1 },
      ],
    },
    { flows: 1, maxRate: unlimited, demands: [{ resource: 0, perUnit: 1 }] },
    { flows: 1, maxRate: unlimited, demands: [{ resource: 1, perUnit: 1 }] },
  ];
  assert.deepEqual(fairRates(groups, [10, 4]), [2, 8, 2]);
});

test('a group without flows takes nothing', () => {
  const demands = [{ resource: 0, perUnit: 1 }];
  assert.deepEqual(
    fairRates(
      [
        { flows: 0, maxRate: unlimited, demands },
        { flows: 1, maxRate: unlimited, demands },
      ],
      [7],
    ),
    [0, 7],
  );
});

test('no resource is overdrawn, and each flow has its most or is among the fastest on a resource that is used up', () => {
  const positive = fc.integer({ min: 1, max: 50 });
  const group = fc.record({
    flows: fc.integer({ min: 0, max: 5 }),
    maxRate: positive,
    demands: fc.uniqueArray(fc.record({ resource: fc.integer({ min: 0, max: 3 }), perUnit: positive }), {
      minLength: 1,
      selector: ({ resource }) => resource,
    }),
  });
  const capacities = fc.array(positive, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(group, { minLength: 1, maxLength: 6 }), capacities, (groups, capacities) => {
      const rates = fairRates(groups, capacities);
      const used = capacities.map((_, resource) => useOf(groups, rates, resource));
      for (const [resource, capacity] of capacities.entries())
        assert.ok((used[resource] ?? 0) <= capacity * (1 + 1e-9));
      for (const [index, { demands, flows, maxRate }] of groups.entries()) {
        const rate = rates[index] ?? 0;
        if (flows === 0 || rate >= maxRate * (1 - 1e-9)) continue;
        const isHeldBack = demands.some(
          ({ resource }) =>
            (used[resource] ?? 0) >= (capacities[resource] ?? 0) * (1 - 1e-9) &&
            rate >= fastestOn(groups, rates, resource) * (1 - 1e-9),
        );
        assert.ok(isHeldBack, `group ${index}`);
      }
    }),
  );
});

function useOf(groups: readonly FlowGroup[], rates: readonly number[], resource: number): number {
  let sum = 0;
  for (const [index, { demands, flows }] of groups.entries()) {
    for (const demand of demands)
      if (demand.resource === resource) sum += flows * demand.perUnit * (rates[index] ?? 0);
  }
  return sum;
}

function fastestOn(groups: readonly FlowGroup[], rates: readonly number[], resource: number): number {
  const rate = ({ demands, flows }: FlowGroup, index: number) =>
    flows > 0 && demands.some((demand) => demand.resource === resource) ? (rates[index] ?? 0) : 0;
  return Math.max(...groups.map(rate));
}
