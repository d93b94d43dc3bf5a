/** `sluice top`: what a server is doing, live. */
import { type Command, InvalidArgumentError } from 'commander';
import { TransferError } from '../../base/errors.ts';
import type { AdminClient } from '../../client/admin-client.ts';
import { DEFAULT_PORT } from '../../client/limits.ts';
import type { WatchRequest } from '../../wire/admin-messages.ts';
import { ToldEvents } from '../../wire/told-events.ts';
import { durationArgument } from '../argument.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from '../connection.ts';
import { Interrupt } from '../process/interrupt.ts';
import { createStderrNotes } from '../process/note-logger.ts';
import { colorsFor, isLive, lossOfOutput, writeJson, writeLine } from '../process/output.ts';
import { type CliTarget, parseCliTarget } from '../target/target.ts';
import { frameOf } from './frame.ts';
import { LiveDisplay } from './live-display.ts';

const EXAMPLES = `
Examples:
  sluice top                                    the server on this machine
  sluice top files.example.org:50051 --interval 5s
  sluice top | cat                              one snapshot, of one interval
  sluice top --json | jq -c '.transfers[] | [.name, .rawBytesPerSec]'

\`q\` quits. SLOW says what a transfer waits for most of the time: its peer, the link,
the disk, the workers of the server, credit; docs/admin.md explains every word. With
--json each line is one WatchResponse of proto/sluice/v1/admin.proto.`;

const DEFAULT_INTERVAL_MS = 1_000;

/** As the server accepts them. */
const MIN_INTERVAL_MS = 200;
const MAX_INTERVAL_MS = 60_000;

/** Where nothing says how wide the output is. */
const PLAIN_COLUMNS = 120;

interface TopOptions extends ConnectionOptions {
  interval?: number;
  json?: boolean;
  verbose?: boolean;
}

export function addTopCommand(program: Command): void {
  const command = program
    .command('top')
    .description('Show what a server is doing: transfers, slabs, threads, errors.')
    .argument('[target]', `host:port (default: localhost:${DEFAULT_PORT})`, serverArgument)
    .option('--interval <duration>', 'between two snapshots, 200ms to 60s (default: 1s)', intervalArgument)
    .option('--json', 'print each snapshot as one line of JSON, until interrupted')
    .option('-v, --verbose', 'on failure, also print its cause and stack')
    .action(top);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

function serverArgument(text: string): CliTarget {
  const target = parseCliTarget(text);
  if (target.name === '') return target;
  throw new TransferError(
    'INVALID_CONFIG',
    `top shows a whole server; write ${target.server} without a name`,
  );
}

function intervalArgument(text: string): number {
  const intervalMs = durationArgument(text);
  if (intervalMs >= MIN_INTERVAL_MS && intervalMs <= MAX_INTERVAL_MS) return intervalMs;
  throw new InvalidArgumentError('Expected a duration from 200ms to 60s.');
}

async function top(
  target: CliTarget = parseCliTarget(`localhost:${DEFAULT_PORT}`),
  options: TopOptions = {},
): Promise<void> {
  const display = options.json !== true && isLive(process.stdout) ? new LiveDisplay() : undefined;
  const connections = new Connections(options, display?.logger ?? createStderrNotes(options));
  const interrupt = new Interrupt();
  const quit = new AbortController();
  const request = { intervalMs: options.interval ?? DEFAULT_INTERVAL_MS, maxTransfers: 0, maxUploads: 0 };
  try {
    const client = connections.adminClientFor(target);
    const signal = AbortSignal.any([interrupt.signal, quit.signal]);
    if (display !== undefined) await display.run(client, request, signal, () => quit.abort());
    else if (options.json === true) await streamJson(client, request, signal);
    else await printOnce(client, request, signal);
  } catch (reason) {
    // Where it is live, there is no other end.
    const isLeft = quit.signal.aborted || interrupt.signal.aborted;
    if (display === undefined || !isLeft) throw reason;
  } finally {
    interrupt.dispose();
    connections.close();
  }
}

async function streamJson(client: AdminClient, request: WatchRequest, signal: AbortSignal): Promise<void> {
  for await (const snapshot of client.watch(request, signal)) {
    await writeJson(snapshot);
    if (lossOfOutput() !== undefined) return;
  }
}

/** The second one: its rates are those of the interval. */
async function printOnce(client: AdminClient, request: WatchRequest, signal: AbortSignal): Promise<void> {
  const told = new ToldEvents();
  let count = 0;
  for await (const snapshot of client.watch(request, signal)) {
    const events = told.with(snapshot);
    count += 1;
    if (count < 2) continue;
    const columns = process.stdout.columns || PLAIN_COLUMNS;
    const size = { columns, rows: Number.POSITIVE_INFINITY };
    const lines = frameOf({ snapshot, events, note: '' }, size, colorsFor(process.stdout));
    await writeLine(lines.join('\n'));
    return;
  }
}
