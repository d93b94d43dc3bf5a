/** docs/benchmarks.md, written from the results. */
import { GIB } from '../../src/base/units.ts';
import { METRIC_TITLES, METRICS } from '../harness/metrics.ts';
import type { Machine, ResultDocument } from '../harness/report.ts';
import { formatFigure } from '../harness/table.ts';
import { CHARTS, type Chart } from './charts.ts';

const HEAD = `# Benchmarks

Generated from \`docs/benchmarks/results.json\` by \`npm run bench:report\`; do not edit.

Server and client are processes of their own on one machine. Every figure is the median of rounds in which all contenders take turns, the shortest transfers of the grids three times in each; a thin line in a chart is from the smallest to the largest of them. *stock* is the server and client that everyone writes with grpc-js: *default* with 64 KiB chunks and default options, *tuned* with 1 MiB messages and an 8 MiB window, *large-heap* the same with a V8 heap of 256 MiB from the start. *grpc-go* is the usual server of Go, read by the tuned stock client; *nginx* uses sendfile over HTTP/1.1 and is read by curl. What each scenario does stands in \`bench/scenarios\`.
`;

const REPRODUCE = `## Measure again

\`\`\`sh
npm ci && npm run build
npm run bench                       # all scenarios, about two hours, most of it over slow links; -- --peers nginx,grpc-go for these as well
npm run bench:report                # this page and its charts from the newest result of each scenario
npm run bench:report -- --check     # whether page and charts are what results.json says
\`\`\`

The machine has to be idle. Compare figures of one run with each other, not with those of another machine.
`;

/** The whole page; `drawn` are the charts that there are. */
export function benchmarkPage(documents: readonly ResultDocument[], drawn: ReadonlySet<string>): string {
  const charts = CHARTS.filter(({ file }) => drawn.has(file)).map(chartLine);
  const scenarios = documents.map(scenarioSection);
  return `${[HEAD, machineSection(documents), ...charts, REPRODUCE, ...scenarios].map((part) => part.trim()).join('\n\n')}\n`;
}

function chartLine({ file, title }: Chart): string {
  return `![${title}](benchmarks/${file}.svg)`;
}

/** A line for each machine, so that figures of two are not taken for those of one. */
function machineSection(documents: readonly ResultDocument[]): string {
  const dates = new Map<string, string[]>();
  for (const { date, machine } of documents) {
    const name = writeMachine(machine);
    dates.set(name, [...(dates.get(name) ?? []), date.slice(0, 10)]);
  }
  const lines = [...dates].map(([name, days]) => `${name}, ${[...new Set(days)].sort().join(', ')}`);
  return `Measured on ${lines.join('; on ')}.\n`;
}

function writeMachine({ cores, cpu, kernel, memoryBytes, node }: Machine): string {
  return `${cores} cores of ${cpu}, ${Math.round(memoryBytes / GIB)} GiB, Linux ${kernel}, Node ${node.replace('v', '')}`;
}

function scenarioSection(document: ResultDocument): string {
  const { bars, cases, date, machine, quick, rounds, scenario } = document;
  const metrics = METRICS.filter((metric) => cases.some((each) => each.median[metric] !== undefined));
  const head = ['', ...metrics.map((metric) => METRIC_TITLES[metric])];
  const rows = cases.map((each) => [
    each.name,
    ...metrics.map((metric) => formatFigure(each.median[metric])),
  ]);
  const errors = cases.flatMap((each) => each.errors.map((error) => `- ${each.name}: ${error}`));
  const barRows = bars.map(({ bound, direction, figure, name, pass }) => [
    name,
    formatFigure(figure ?? Number.NaN),
    `${direction} ${bound}`,
    pass ? 'yes' : '**no**',
  ]);
  const load = machine.loadBefore.toFixed(1);
  const how = `${date.slice(0, 16).replace('T', ' ')} UTC, medians of ${rounds - 1} rounds${quick ? ', less data' : ''}; load of the machine before: ${load}.`;
  return [
    `## ${scenario}`,
    `${capitalised(document.describe)}. ${how}`,
    table(head, rows),
    ...(errors.length === 0 ? [] : [errors.join('\n')]),
    table(['bar', 'figure', 'bound', 'kept'], barRows),
  ].join('\n\n');
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = `|---|${head
    .slice(1)
    .map(() => '--:|')
    .join('')}`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
