/** Everything a scenario can measure; the units are in the names. */
import { GIB, MIB } from '../../src/base/units.ts';
import type { LoadReport } from '../drivers/protocol.ts';
import { jainFairness, median } from './statistics.ts';

/** Column titles, in the order of the columns. */
export const METRIC_TITLES = {
  soloRateMibPerSec: 'MiB/s alone',
  rateMibPerSec: 'MiB/s',
  serverCpuSecPerGib: 'server CPU s/GiB',
  clientCpuSecPerGib: 'client CPU s/GiB',
  serverPeakRssMib: 'server RSS MiB',
  clientPeakRssMib: 'client RSS MiB',
  clientGrowthMib: 'client RSS growth MiB',
  fairness: 'fairness',
  seconds: 's',
  clientCpuSeconds: 'client CPU s',
  serverCpuSeconds: 'server CPU s',
  requestsPerSec: 'requests/s',
  serverCpuMsPerRequest: 'server CPU ms/request',
  elapsedMs: 'ms each',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  maxMs: 'max ms',
} as const;

export type Metric = keyof typeof METRIC_TITLES;

export type Metrics = Partial<Record<Metric, number>>;

export const METRICS = Object.keys(METRIC_TITLES) as readonly Metric[];

/** The metrics of one load. */
export function toMetrics(report: LoadReport): Metrics {
  const gib = report.bytes / GIB;
  const metrics: Metrics = {
    rateMibPerSec: report.bytes / MIB / report.seconds,
    serverCpuSecPerGib: report.serverCpuSeconds / gib,
    clientCpuSecPerGib: report.clientCpuSeconds / gib,
    serverPeakRssMib: report.serverPeakRssBytes / MIB,
    clientPeakRssMib: report.clientPeakRssBytes / MIB,
  };
  if (report.perStreamBytesPerSec.length > 1) metrics.fairness = jainFairness(report.perStreamBytesPerSec);
  return metrics;
}

/** The median of each metric over the runs that have it. */
export function mediansOfRuns(runs: readonly Metrics[]): Metrics {
  const medians: Metrics = {};
  for (const metric of METRICS) {
    const values = runs.map((run) => run[metric]).filter((value) => value !== undefined);
    if (values.length > 0) medians[metric] = median(values);
  }
  return medians;
}
