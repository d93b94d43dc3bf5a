/** docs/scaling.md, written from the constants and the model. */
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { BUSY_LOAD } from '../harness/report.ts';
import { formatFigure, markdownTable } from '../harness/table.ts';
import { writeMachine } from '../report/page.ts';
import { type Comparison, compare } from './check.ts';
import {
  DOCUMENTED,
  type Documented,
  MEASURED_FILE,
  type Measured,
  TRANSFERS,
  type Transfer,
} from './constants.ts';
import { runExample } from './example-run.ts';
import { DEFAULT_SERVER, EXAMPLE_MACHINE, EXAMPLES, type Example } from './examples.ts';
import { fill, lose, spread } from './experiments.ts';
import { type Backend, DEFAULT_MOST, type Prediction, predict, type ServerMachine } from './model.ts';

const BUCKET: Backend = {
  kind: 'bucket',
  getsPerSec: DOCUMENTED.s3Gets.value,
  putsPerSec: DOCUMENTED.s3Puts.value,
  latencySec: DOCUMENTED.s3Latency.value,
};

const CLIENTS = [1000, 10_000, 100_000, 1_000_000];
const LOADS = [0.3, 0.5, 0.7, 0.9];
const SIMULATED_CLIENTS = 10_000;
const LOOPS = 8;
const LOST = { loops: LOOPS, load: 0.6, clientsOfEach: 10_000 };

const INTRODUCTION = `# Scaling

Generated from \`${MEASURED_FILE}\` by \`npm run simulate -- report\`; do not edit.

How many servers a load needs, on paper: a model of measured constants, what it was checked against, and what breaks first. The figures are of one machine. Measure yours, and ask for your load:

\`\`\`sh
npm run build
npm run simulate -- measure         # the constants, and points to check the model against; ten minutes on an idle machine
npm run simulate -- report          # this page
npm run simulate -- predict --clients 20000 --rate 100KiB --transfer-rate 10MiB --tls --bucket
\`\`\`
`;

const MODEL = `## The model

A load is so many connected clients, the file bytes that each moves a second on average, the rate of one transfer, and small calls. Costs add up:

\`\`\`
event loops   = GiB/s × loop s/GiB + calls/s × loop s/call + connections/s × loop s/connection + pings/s × loop s/ping
cores         = the same with the CPU time of all threads
network       = file bytes, those of text as gzip; with a bucket, each byte passes twice: in and out
memory        = connections × bytes + transfers that wait × bytes, beside what processes and slabs take
transfers     = bytes/s ÷ rate of one transfer (Little)
store         = GiB/s × requests/GiB; under way at a time: × time of a request (Little)
machines      = the largest of these ÷ what one machine has of it
\`\`\`

Where work queues (event loops, cores, network), a machine is filled to ${percent(DEFAULT_MOST)}: with fair sharing, a transfer takes 1 ÷ (1 − load) times as long as alone. TLS, gzip and a bucket each add their difference to the plain transfer. Streams below 8 MiB/s cost what streams of 1 MiB/s cost: a slow peer gets small writes.

A process has one event loop; a server of several processes has several: see [processes.md](processes.md).
`;

/** The whole page. */
export function scalingPage(measured: Measured): string {
  const sections = [
    INTRODUCTION,
    predictionSection(measured),
    breakingSection(measured),
    MODEL,
    constantsSection(measured),
    checkSection(measured),
    simulationSection(measured),
  ];
  return `${sections.map((section) => section.trim()).join('\n\n')}\n`;
}

function loadOf(example: Example, clients: number) {
  return { ...example, clients };
}

function predictionSection(measured: Measured): string {
  const tables = EXAMPLES.map((example) => {
    const rows = CLIENTS.map((clients) => predictionRow(example, clients, measured));
    const header = [
      'clients',
      'machines',
      'scarcest',
      'next',
      'out GiB/s',
      'transfers at a time',
      'store requests/s',
      'prefixes',
    ];
    return `**${example.name}**: each client ${example.describe}.\n\n${markdownTable(header, rows)}`;
  });
  return `## Predictions

Servers before one bucket, over TLS, on machines with ${EXAMPLE_MACHINE.cores} cores and \`--processes ${EXAMPLE_MACHINE.processes}\`, ${EXAMPLE_MACHINE.memoryBytes / GIB} GiB of memory, 10 Gbit/s, and settings as large as that memory allows: \`limits.connections\` ${EXAMPLE_MACHINE.connections}, \`limits.streams\` ${EXAMPLE_MACHINE.streams}, \`limits.uploadStreams\` ${EXAMPLE_MACHINE.uploadStreams}, \`s3.requests\` ${EXAMPLE_MACHINE.storeRequests}. These machines and loads are examples. *Scarcest* is what the number of machines comes from, *next* the resource behind it with the machines it would need. *Prefixes* is how many a bucket of Amazon S3 must spread these requests over, by the rates that are documented for one.

${tables.join('\n\n')}`;
}

function predictionRow(example: Example, clients: number, measured: Measured): string[] {
  const found = predict(loadOf(example, clients), EXAMPLE_MACHINE, BUCKET, measured);
  const [first, second] = found.needs;
  return [
    clients.toLocaleString('en'),
    String(found.machines),
    first?.resource ?? '',
    `${second?.resource ?? ''} (${formatFigure(second?.machines)})`,
    formatFigure(found.outBytesPerSec / GIB),
    Math.ceil(found.transfers).toLocaleString('en'),
    Math.ceil(found.getsPerSec + found.putsPerSec).toLocaleString('en'),
    String(Math.max(1, Math.ceil(found.storeUse))),
  ];
}

function breakingSection(measured: Measured): string {
  const one = { ...BUCKET, kind: 'directory' } as const;
  const found = EXAMPLES.map((example) => predict(loadOf(example, 1), DEFAULT_SERVER, one, measured));
  const resources = (found[0] as Prediction).needs.map(({ resource }) => resource).sort();
  const rows = resources.map((resource) => [
    resource,
    ...found.map(({ needs }) => {
      const each = needs.find((need) => need.resource === resource)?.machines ?? 0;
      return Math.floor(1 / each).toLocaleString('en');
    }),
  ]);
  const firsts = EXAMPLES.map(
    ({ name }, index) =>
      `*${name}*: ${found[index]?.needs
        .map(({ resource }) => resource)
        .slice(0, 3)
        .join(', then ')}`,
  );
  const { connection, connectionTls } = measured;
  return `## What breaks first

Clients that a server with its defaults, which are those of one process, can serve from a directory until a resource is full, on ${DEFAULT_SERVER.cores} cores, ${DEFAULT_SERVER.memoryBytes / GIB} GiB and 10 Gbit/s:

${markdownTable(['', ...EXAMPLES.map(({ name }) => name)], rows)}

In order, ${firsts.join('; ')}.

- **\`limits.connections\`**, **\`limits.streams\`** and **\`limits.uploadStreams\`** are settings. A full server closes an idle connection for a new one, and ends a stream without progress for a new one. Raise them as far as the memory goes: \`sluice config\` adds that up.
- **An event loop** is one core at most. Then calls wait, and all transfers become slower together; nothing fails. Use \`--processes\`.
- **Cores**: compression takes them first. It runs in threads of low priority, and \`auto\` compresses less when they are busy.
- **Memory** of idle connections: past the limit that \`sluice config\` prints, a connection more is refused, not served badly. \`connection.maxIdle\` closes those without calls.
- **Network**: fair sharing by HTTP/2 and TCP; transfers become slower. With a bucket each byte crosses the link twice, in and out.
- **\`s3.requests\`**: reads of a bucket wait for each other. More requests, or larger slabs, let more bytes be under way: at most \`s3.requests\` × \`slab.size\` ÷ the time of a request, and for one stream \`stream.jobsInFlight\` × \`slab.size\` ÷ that time.
- **The store's request rate**: it answers 503, which is tried again after a random wait; then calls end with UNAVAILABLE and clients come back. More servers do not help. Larger slabs make fewer requests: see [object-store.md](object-store.md). Beyond that, spread files over prefixes.
- **Accepting connections** takes ${ms(connection.loopSec)} of an event loop each, ${ms(connectionTls.loopSec)} with TLS: at most ${Math.floor(1 / connection.loopSec)} and ${Math.floor(1 / connectionTls.loopSec)} a second for each process. That is felt when a server is lost and its clients connect elsewhere at once; see the simulation below.
- **Ports**: a proxy has at most ${DOCUMENTED.ports.value.toLocaleString('en')} connections from one of its addresses to one server. Give it more addresses, or let the proxy share connections, as those for gRPC do.`;
}

function constantsSection(measured: Measured): string {
  const transfers = (Object.keys(TRANSFERS) as Transfer[]).map((key) => {
    const cost = measured.transfers[key];
    return [
      TRANSFERS[key],
      formatFigure(cost?.server.loopSec),
      formatFigure(cost?.server.cpuSec),
      formatFigure(cost?.client.cpuSec),
      cost === undefined || cost.storeRequests === 0 ? '-' : formatFigure(cost.storeRequests),
      cost === undefined ? 'not measured' : formatFigure(GIB / MIB / cost.server.loopSec),
    ];
  });
  const events = [
    ['accepting a connection, with its first call', measured.connection],
    ['the same, TLS', measured.connectionTls],
    ['a small call', measured.call],
    ['a ping of an idle connection', measured.ping],
  ] as const;
  const sizes: [string, string][] = [
    ['a server that has just started', `${formatFigure(measured.serverBytes / MIB)} MiB`],
    ['an idle connection', `${formatFigure(measured.connectionBytes / KIB)} KiB`],
    ['an idle connection, TLS', `${formatFigure(measured.connectionTlsBytes / KIB)} KiB`],
    ['a download that waits for its peer', `${formatFigure(measured.streamBytes / KIB)} KiB`],
    ['descriptors of a connection', String(measured.descriptorsPerConnection)],
    ['text as gzip, of its size', percent(measured.gzipShare)],
  ];
  return `## Constants

Measured by \`npm run simulate -- measure\` on ${writeMachine(measured.machine)}, ${measured.date.slice(0, 10)}; load of the machine before: ${formatFigure(measured.machine.loadBefore)}${busy(measured)}. Server and client shared these cores. CPU seconds for each GiB of file bytes; *one loop* is what an event loop moves that does nothing else.

${markdownTable(['', 'loop s/GiB', 'CPU s/GiB', 'client CPU s/GiB', 'store requests/GiB', 'one loop MiB/s'], transfers)}

${markdownTable(
  ['', 'loop ms', 'CPU ms'],
  events.map(([what, { loopSec, cpuSec }]) => [
    what,
    formatFigure(loopSec * 1000),
    formatFigure(cpuSec * 1000),
  ]),
)}

${markdownTable(['', 'holds'], sizes)}

Documented by others, or by the code:

${markdownTable(
  ['', 'value', 'source'],
  (Object.values(DOCUMENTED) as Documented[]).map(({ what, value, unit, source }) => [
    what,
    `${value.toLocaleString('en')} ${unit}`,
    source,
  ]),
)}`;
}

function checkSection(measured: Measured): string {
  const compared = compare(measured);
  const rows = compared.map(({ figure, measured, point, predicted }) => [
    `${point.connections} × ${point.load}`,
    figure,
    formatFigure(measured),
    formatFigure(predicted),
    signed(predicted / measured - 1),
  ]);
  const worst = (['MiB/s', 'CPU s/GiB', 'RSS MiB'] as const).map((figure) => {
    const errors = compared.filter((each) => each.figure === figure).map(errorOf);
    return `${figure} ${percent(Math.max(...errors))}`;
  });
  return `## Checked against measurements

Connections of one client process to one server, without and with transfers, on the machine of the constants. Constants were measured with other numbers of connections.${busy(measured) === '' ? '' : ' The machine was **busy**: other programs had a share of its cores, and rates say nothing.'} Largest errors: ${worst.join(', ')}.

${markdownTable(['connections', 'figure', 'measured', 'model', 'error'], rows)}

MiB/s is what server and client can move together on these cores, CPU s/GiB that of the server. RSS is the peak where bytes move.`;
}

function errorOf({ measured, predicted }: Comparison): number {
  return Math.abs(predicted / measured - 1);
}

function simulationSection(measured: Measured): string {
  const filled = LOADS.map((load) => {
    const [free, held] = [fill(measured, load, Number.POSITIVE_INFINITY), fill(measured, load, 0.1)];
    return [
      percent(load),
      percent(free.used),
      formatFigure(1 / (1 - load)),
      formatFigure(free.slowdown),
      formatFigure(held.slowdown),
    ];
  });
  const spreads = LOADS.map((load) => {
    const slowdowns = (['in turn', 'random'] as const).map((routing) =>
      spread(measured, LOOPS, load, routing),
    );
    return [percent(load), ...slowdowns.map(formatFigure)];
  });
  const losses = (
    [
      ['plain', measured.connection],
      ['TLS', measured.connectionTls],
    ] as const
  ).map(([name, connection]) => {
    const lost = lose(measured, connection, LOST);
    return [
      name,
      percent(lost.load),
      formatFigure(lost.expectedSec),
      formatFigure(lost.reconnectedSec),
      formatFigure(lost.slowestBefore),
      formatFigure(lost.slowest),
    ];
  });
  const runs = EXAMPLES.map((example) => {
    const run = runExample(loadOf(example, SIMULATED_CLIENTS), EXAMPLE_MACHINE, BUCKET, measured);
    return [
      example.name,
      String(run.predicted.machines),
      run.resource,
      percent(run.expectedUse),
      percent(run.used),
      formatFigure(run.slowdown),
    ];
  });
  return `## Checked against a simulation

\`bench/simulate\` is a discrete-event simulation of transfers that share event loops and links at max-min fair rates; tests hold it against M/M/1, M/D/1 and M/G/1 with processor sharing, M/M/∞ and M/M/c. Here it fills servers with transfers that arrive at random. Its seed is fixed.

The loads above with ${SIMULATED_CLIENTS.toLocaleString('en')} clients, on as many machines as the model says, by turns. *Used* is the share of the busiest kind of resource:

${markdownTable(['', 'machines', 'busiest', 'used, model', 'used, simulation', 'slowdown'], runs)}

One event loop. *Slowdown* is how many times as long a transfer takes as alone; 1 ÷ (1 − load) is what the model promises. Clients that can take a tenth of what the loop can move notice little until it is nearly full:

${markdownTable(['load', 'used', '1 ÷ (1 − load)', 'slowdown', 'slowdown, slow clients'], filled)}

${LOOPS} event loops, transfers by turns (round robin) or at random (a hash, DNS):

${markdownTable(['load', 'slowdown, by turns', 'at random'], spreads)}

One of ${LOOPS} event loops at ${percent(LOST.load)} is lost, and its ${LOST.clientsOfEach.toLocaleString('en')} clients connect to the others at one moment. *Arithmetic* is clients × loop time ÷ loops. The *slowest* transfer is a multiple of one alone:

${markdownTable(['', 'load of the others', 'arithmetic s', 'connected again s', 'slowest before', 'slowest'], losses)}

sluice's clients wait a random time before they come back, which spreads such a moment.`;
}

/** As docs/benchmarks.md has it. */
function busy({ machine }: Measured): string {
  return machine.loadBefore > BUSY_LOAD ? ' (**busy**)' : '';
}

function percent(share: number): string {
  return `${formatFigure(share * 100)} %`;
}

function signed(share: number): string {
  return `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;
}

function ms(seconds: number): string {
  return `${formatFigure(seconds * 1000)} ms`;
}

/** What `predict` prints. */
export function describePrediction(found: Prediction, machine: ServerMachine): string {
  const lines = found.needs.map(
    ({ resource, machines }) => `  ${resource.padEnd(20)} ${formatFigure(machines).padStart(8)} machines`,
  );
  return [
    `${found.machines} machines of ${machine.cores} cores and ${machine.processes} processes`,
    ...lines,
    `  out ${formatFigure(found.outBytesPerSec / GIB)} GiB/s, in ${formatFigure(found.inBytesPerSec / GIB)} GiB/s, ${Math.ceil(found.transfers)} transfers at a time`,
    `  store: ${Math.ceil(found.getsPerSec)} reads/s and ${Math.ceil(found.putsPerSec)} writes/s`,
  ].join('\n');
}
