/**
 * Max-min fair rates by progressive filling: the rates of all flows grow together
 * until a resource is used up; the flows that use it stay as they are, the others
 * go on. See Bertsekas and Gallager, Data Networks, section 6.5.2.
 */

/** What a flow takes of a resource, an index, for each unit of its own rate. */
export interface Demand {
  readonly resource: number;
  readonly perUnit: number;
}

/** Flows that are alike. */
export interface FlowGroup {
  readonly flows: number;
  /** Of each flow; Infinity where nothing else limits it. */
  readonly maxRate: number;
  readonly demands: readonly Demand[];
}

/** Rounding must not keep a flow growing whose resource is used up. */
const TOLERANCE = 1e-12;

/** The rate of each flow of each group. `capacities` are those of the resources. */
export function fairRates(groups: readonly FlowGroup[], capacities: readonly number[]): number[] {
  const rates = groups.map(() => 0);
  const rest = [...capacities];
  let growing = groups.flatMap(({ flows }, index) => (flows > 0 ? [index] : []));
  let level = 0;
  while (growing.length > 0) {
    const use = usePerUnit(groups, growing, capacities.length);
    const step = largestStep(groups, growing, use, rest, level);
    if (step === Number.POSITIVE_INFINITY) throw new Error('a flow is limited by nothing');
    level += step;
    for (const [resource, perUnit] of use.entries()) rest[resource] = (rest[resource] ?? 0) - perUnit * step;
    for (const index of growing) rates[index] = level;
    const usedUp = rest.map((left, resource) => left <= (capacities[resource] ?? 0) * TOLERANCE);
    growing = growing.filter((index) => {
      const { demands, maxRate } = groups[index] as FlowGroup;
      return (
        level < maxRate * (1 - TOLERANCE) &&
        !demands.some(({ resource, perUnit }) => perUnit > 0 && usedUp[resource])
      );
    });
  }
  return rates;
}

/** Of each resource, when all that grow do so by one unit. */
function usePerUnit(groups: readonly FlowGroup[], growing: readonly number[], resources: number): number[] {
  const use = new Array<number>(resources).fill(0);
  for (const index of growing) {
    const { demands, flows } = groups[index] as FlowGroup;
    for (const { resource, perUnit } of demands) use[resource] = (use[resource] ?? 0) + flows * perUnit;
  }
  return use;
}

function largestStep(
  groups: readonly FlowGroup[],
  growing: readonly number[],
  use: readonly number[],
  rest: readonly number[],
  level: number,
): number {
  let step = Number.POSITIVE_INFINITY;
  for (const index of growing) step = Math.min(step, (groups[index] as FlowGroup).maxRate - level);
  for (const [resource, perUnit] of use.entries()) {
    if (perUnit > 0) step = Math.min(step, Math.max(0, rest[resource] ?? 0) / perUnit);
  }
  return step;
}
