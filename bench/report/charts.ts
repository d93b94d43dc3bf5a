/**
 * The charts of docs/benchmarks.md. One is drawn when the results have a line
 * for it: two points of somebody at least, or two contenders to compare.
 */
import type { ResultDocument } from '../harness/report.ts';
import { type Drawing, draw } from './draw.ts';
import { type Point, type PointQuery, pointsOf } from './points.ts';

export interface Chart extends PointQuery, Drawing {
  /** The name of the file, without its ending. */
  file: string;
}

const STREAMS = {
  scenarios: ['one-stream', 'many-streams'],
  x: 'streams',
  xTitle: 'streams at the same time',
  kind: 'lines',
} as const satisfies Partial<Chart>;

const LOOPBACK = 'loopback, file in the page cache';

export const CHARTS: readonly Chart[] = [
  {
    ...STREAMS,
    file: 'throughput-streams',
    metric: 'rateMibPerSec',
    title: 'Throughput against the number of streams',
    subtitle: `All streams together, ${LOOPBACK}; higher is better`,
    yTitle: 'MiB/s',
  },
  {
    ...STREAMS,
    file: 'memory-streams',
    metric: 'serverPeakRssMib',
    title: "The server's memory against the number of streams",
    subtitle: 'Peak resident memory, Node included; lower is better',
    yTitle: 'MiB',
  },
  {
    ...STREAMS,
    file: 'cpu-streams',
    metric: 'serverCpuSecPerGib',
    title: "The server's CPU time for each GiB",
    subtitle: 'User and system time of all threads; lower is better',
    yTitle: 'CPU seconds for each GiB',
  },
  {
    file: 'unary-latency',
    scenarios: ['unary-latency'],
    x: 'data',
    metric: 'p99Ms',
    kind: 'bars',
    title: 'A small call beside 64 streams',
    subtitle: '99th percentile of GetFileSize, asked every 5 ms; lower is better',
    xTitle: '',
    yTitle: 'ms',
  },
  {
    file: 'throughput-round-trip',
    scenarios: ['latency'],
    x: 'roundTripMs',
    metric: 'rateMibPerSec',
    kind: 'bars',
    title: 'Throughput by round trip',
    subtitle: 'One stream through an emulated link; higher is better',
    xTitle: 'ms round trip',
    yTitle: 'MiB/s',
  },
  {
    file: 'throughput-link-rate',
    scenarios: ['auto-compression'],
    x: 'linkMibPerSec',
    facet: 'data',
    metric: 'rateMibPerSec',
    kind: 'panels',
    title: 'Goodput against the rate of the link, by data',
    subtitle: 'One stream through an emulated link, bytes after decompression; higher is better',
    xTitle: 'rate of the link, MiB/s',
    yTitle: 'MiB/s',
  },
];

/** The charts that the results are enough for, by file name without ending. */
export async function drawCharts(documents: readonly ResultDocument[]): Promise<Map<string, string>> {
  const drawn = new Map<string, string>();
  for (const chart of CHARTS) {
    const points = drawnPoints(documents, chart);
    if (points.length > 0) drawn.set(chart.file, await draw(points, chart));
  }
  return drawn;
}

/** A line of one point says nothing; who has no more than that is left to the tables. */
export function drawnPoints(documents: readonly ResultDocument[], chart: Chart): Point[] {
  const points = pointsOf(documents, chart);
  if (chart.kind === 'bars') return points;
  return points.filter(({ contender }) => points.filter((each) => each.contender === contender).length > 1);
}
