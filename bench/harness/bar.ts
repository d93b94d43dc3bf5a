/** A bar is a figure made of the medians of a scenario's cases, with a bound that it must keep. */
import { METRIC_TITLES, type Metric, type Metrics } from './metrics.ts';

/** The medians of all cases, by name of the case. */
export type Medians = ReadonlyMap<string, Metrics>;

export interface Figure {
  readonly name: string;
  /** NaN when a case has no such figure; NaN passes no bar. */
  evaluate(medians: Medians): number;
}

export interface Bar {
  readonly figure: Figure;
  readonly direction: 'at least' | 'at most';
  readonly bound: number;
  /** What stands beside the bar where it is not kept: why, or what is known of it. */
  readonly whenMissed?: string;
}

/** A metric of one case. */
export function figureOf(metric: Metric, caseName: string): Figure {
  return {
    name: `${METRIC_TITLES[metric]} of ${caseName}`,
    evaluate: (medians) => medians.get(caseName)?.[metric] ?? Number.NaN,
  };
}

/** The same metric of two cases, one over the other. */
export function ratioOf(metric: Metric, over: string, under: string): Figure {
  return {
    ...ratio(figureOf(metric, over), figureOf(metric, under)),
    name: `${METRIC_TITLES[metric]}, ${over} ÷ ${under}`,
  };
}

export function ratio(over: Figure, under: Figure): Figure {
  return {
    name: `${over.name} ÷ ${under.name}`,
    evaluate: (medians) => over.evaluate(medians) / under.evaluate(medians),
  };
}

/** How much more of a metric one case has than the other. */
export function excessOf(metric: Metric, one: string, other: string): Figure {
  const [a, b] = [figureOf(metric, one), figureOf(metric, other)];
  return {
    name: `${METRIC_TITLES[metric]}, ${one} − ${other}`,
    evaluate: (medians) => a.evaluate(medians) - b.evaluate(medians),
  };
}

export function atLeast(bound: number, figure: Figure, whenMissed?: string): Bar {
  return { figure, direction: 'at least', bound, ...(whenMissed === undefined ? {} : { whenMissed }) };
}

export function atMost(bound: number, figure: Figure, whenMissed?: string): Bar {
  return { figure, direction: 'at most', bound, ...(whenMissed === undefined ? {} : { whenMissed }) };
}

export function passes(bar: Bar, medians: Medians): boolean {
  const value = bar.figure.evaluate(medians);
  return bar.direction === 'at least' ? value >= bar.bound : value <= bar.bound;
}
