/** `sluice ls`: lists a directory of a server. */
import type { Command } from 'commander';
import { formatBytes } from '../base/units.ts';
import { entriesOf } from '../client/tree/plan/entries.ts';
import { LeftOut } from '../client/tree/plan/left-out.ts';
import type { ListEntry } from '../wire/messages.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { writeMode } from './mode-text.ts';
import { Interrupt } from './process/interrupt.ts';
import { createStderrNotes } from './process/note-logger.ts';
import { lossOfOutput, printable, writeJson, writeLine, writeTime } from './process/output.ts';
import { type CliTarget, parseCliTarget } from './target/target.ts';
import { leftOutLines } from './tree/left-out-text.ts';

const EXAMPLES = `
Examples:
  sluice ls localhost:50051                     the root of the store
  sluice ls -l files.example.org:50051/images
  sluice ls -r --json localhost:50051 | jq -r 'select(.size > 1e9).name'

Names are complete, from the root of the store: append one to host:port/ to fetch it.
Directories end with "/". Entries that cannot be fetched, such as symbolic links, are
counted on standard error.`;

/** Wide enough for every size that formatBytes writes. */
const SIZE_CHARS = 9;

/** `2026-11-20 05:42:00Z` */
const TIME_CHARS = 20;

interface LsOptions extends ConnectionOptions {
  recursive?: boolean;
  long?: boolean;
  json?: boolean;
}

export function addLsCommand(program: Command): void {
  const command = program
    .command('ls')
    .description('List a directory of a server.')
    .argument('<target>', 'host:port or host:port/directory', parseCliTarget)
    .option('-r, --recursive', 'include everything below')
    .option('-l, --long', 'print mode, size and modification time')
    .option('--json', 'print one JSON object per entry')
    .option('-v, --verbose', 'on failure, also print its cause and stack')
    .action(list);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

async function list(target: CliTarget, options: LsOptions): Promise<void> {
  const connections = new Connections(options, createStderrNotes(options));
  const interrupt = new Interrupt();
  try {
    const { recursive = false } = options;
    const client = connections.clientFor(target);
    const leftOut = new LeftOut();
    const entries = entriesOf(client, target.name, {
      recursive,
      signal: interrupt.signal,
      onOmitted: ({ reason, shownName }) => leftOut.add(shownName, reason),
    });
    for await (const entry of entries) {
      await writeEntry(entry, options);
      if (lossOfOutput() !== undefined) break;
    }
    for (const line of leftOutLines(leftOut)) await writeLine(line, process.stderr);
  } finally {
    interrupt.dispose();
    connections.close();
  }
}

async function writeEntry(entry: ListEntry, { json, long }: LsOptions): Promise<void> {
  if (json === true) return await writeJson(entry);
  const name = printable(entry.name) + (entry.isDirectory ? '/' : '');
  await writeLine(long === true ? longLine(entry, name) : name);
}

function longLine(entry: ListEntry, name: string): string {
  const { isDirectory, mode, modifiedMs } = entry;
  const size = isDirectory ? '-' : formatBytes(entry.size);
  const rights = mode === undefined ? '?????????' : writeMode(mode);
  // A directory in a bucket has none.
  const time = isDirectory && modifiedMs === 0 ? '-' : writeTime(modifiedMs);
  return `${isDirectory ? 'd' : '-'}${rights}  ${size.padStart(SIZE_CHARS)}  ${time.padStart(TIME_CHARS)}  ${name}`;
}
