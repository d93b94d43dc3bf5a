/** Page and charts as texts by their paths below docs/: the same for the same results. */
import type { ResultDocument } from '../harness/report.ts';
import { drawCharts } from './charts.ts';
import { benchmarkPage } from './page.ts';

export async function reportFiles(documents: readonly ResultDocument[]): Promise<Map<string, string>> {
  const drawn = await drawCharts(documents);
  const charts = [...drawn].map(([file, svg]): [string, string] => [`benchmarks/${file}.svg`, svg]);
  return new Map([['benchmarks.md', benchmarkPage(documents, new Set(drawn.keys()))], ...charts]);
}
