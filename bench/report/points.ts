/** Results as the points of a chart. */
import type { Metric } from '../harness/metrics.ts';
import type { ResultDocument } from '../harness/report.ts';
import type { CaseResult } from '../harness/rounds.ts';
import type { CaseParameters } from '../harness/scenario.ts';
import { percentile } from '../harness/statistics.ts';

export type Parameter = Exclude<keyof CaseParameters, 'contender'>;

export interface Point {
  /** Who was measured. */
  contender: string;
  x: number | string;
  /** The small chart that it belongs to, where there are several. */
  facet: string;
  /** The median of the rounds, and the ends of what they measured. */
  value: number;
  low: number;
  high: number;
}

export interface PointQuery {
  scenarios: readonly string[];
  x: Parameter;
  facet?: Parameter;
  metric: Metric;
}

/** The points of a chart, in the order of the cases; cases that failed or lack a parameter have none. */
export function pointsOf(documents: readonly ResultDocument[], query: PointQuery): Point[] {
  const cases = query.scenarios.flatMap(
    (scenario) => documents.find((document) => document.scenario === scenario)?.cases ?? [],
  );
  return cases.flatMap((each) => pointOf(each, query) ?? []);
}

function pointOf(result: CaseResult, { facet, metric, x }: PointQuery): Point | undefined {
  const parameters = parametersOf(result);
  const place = parameters[x];
  const part = facet === undefined ? '' : parameters[facet];
  const values = result.runs.map((run) => run[metric]).filter((value) => value !== undefined);
  if (place === undefined || part === undefined || values.length === 0) return undefined;
  return {
    contender: parameters.contender,
    x: place,
    facet: String(part),
    value: percentile(values, 50),
    low: Math.min(...values),
    high: Math.max(...values),
  };
}

/** `sluice × 64` is 64 streams, `sluice gzip` a kind of data, any other name one stream. */
export function parametersOf({ name, parameters }: CaseResult): CaseParameters {
  if (parameters !== undefined) return parameters;
  const [, many, streams] = /^(.+) × (\d+)$/.exec(name) ?? [];
  if (many !== undefined) return { contender: many, streams: Number(streams) };
  const [, beside] = /^idle beside (\w+)$/.exec(name) ?? [];
  if (beside !== undefined) return { contender: 'idle sluice beside it', data: beside };
  const [, contender, data] = /^(.+) (identity|gzip)$/.exec(name) ?? [];
  if (contender !== undefined && data !== undefined) return { contender, data };
  return { contender: name, streams: 1 };
}
