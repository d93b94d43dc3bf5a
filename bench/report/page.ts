/** docs/benchmarks.md, written from the results. */
import { GIB } from '../../src/base/units.ts';
import { METRIC_TITLES, METRICS } from '../harness/metrics.ts';
import { BUSY_LOAD, type Machine, type ResultDocument } from '../harness/report.ts';
import { writeRounds } from '../harness/rounds.ts';
import { formatFigure, markdownTable } from '../harness/table.ts';
import { CHARTS, type Chart } from './charts.ts';

const HEAD = `# Benchmarks

Generated from \`docs/benchmarks/results.json\` by \`npm run bench:report\`; do not edit.

Server and client are separate processes on one machine. Every figure is the median of rounds in which all contenders take turns, the shortest transfers of the grids three times in each; a thin line in a chart is from the smallest to the largest of them. Figures have two decimals below 10, one below 100 and none above. *stock* is a typical grpc-js server and client: *default* with 64 KiB chunks and default options, *tuned* with 1 MiB messages and an 8 MiB window, *large-heap* the same with a V8 heap of 256 MiB from the start. *grpc-go* is a typical Go server, read by the tuned stock client. *nginx* uses sendfile over HTTP/1.1 and is read by curl. *plain TCP by Node* is two programs and the link between them, without any protocol; it is no upper bound, because nginx sends with less CPU. Sluice verifies checksums in the scenarios auto-compression, auto-compression-upload, gzip-text, slow-bucket, slow-store, stripes, to-disk, upload-durable, upload-many and upload-slow-disk, and in cases named *verified*. In all others it does not, as the programs beside it never do. \`bench/scenarios\` says what each scenario does.
`;

const REPRODUCE = `## Measure again

\`\`\`sh
npm ci && npm run build
npm run bench                       # all scenarios, about two hours, most of it over slow links; -- --peers nginx,grpc-go for these as well
npm run bench:report                # this page and its charts from the newest result of each scenario
npm run bench:report -- --check     # whether page and charts are what results.json says
\`\`\`

The machine has to be idle. Where its load before the run was above ${BUSY_LOAD}, the figures are marked *busy*: other programs had a share of its processors, so measure again before you rely on them. Compare figures of one run with each other, not with those of another machine.
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

export function writeMachine({ cores, cpu, kernel, memoryBytes, node }: Machine): string {
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
  const missed = bars.flatMap(({ name, pass, whenMissed }) =>
    pass ? [] : [`- Not kept: ${name}. ${whenMissed ?? 'Nobody knows why yet.'}`],
  );
  const how = `${date.slice(0, 16).replace('T', ' ')} UTC, ${writeMedians(rounds)}${quick ? ', less data' : ''}; load of the machine before: ${writeLoad(machine)}.`;
  return [
    `## ${scenario}`,
    `${capitalised(document.describe)}. ${how}`,
    markdownTable(head, rows),
    ...(errors.length === 0 ? [] : [errors.join('\n')]),
    markdownTable(['bar', 'figure', 'bound', 'kept'], barRows),
    ...(missed.length === 0 ? [] : [missed.join('\n')]),
  ].join('\n\n');
}

/** One round has no median. */
function writeMedians(rounds: number): string {
  return rounds === 2 ? 'one round' : `medians of ${writeRounds(rounds)}`;
}

function writeLoad({ loadBefore }: Machine): string {
  const load = loadBefore.toFixed(1);
  return loadBefore > BUSY_LOAD ? `${load} (**busy**)` : load;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
