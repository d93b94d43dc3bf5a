/** `sluice get`: downloads files and trees, and resumes interrupted downloads. */
import { type Command, Option } from 'commander';
import { TransferError } from '../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES, MIN_WINDOW_BYTES } from '../base/limits.ts';
import { GIB } from '../base/units.ts';
import type { SluiceClient } from '../client/client.ts';
import { MAX_CONNECTIONS } from '../client/limits.ts';
import type { ClientOptions, CompressionMode } from '../client/options.ts';
import { runDownloads } from '../client/tree/download/download-run.ts';
import { DEFAULT_PARALLEL, MAX_PARALLEL } from '../client/tree/options.ts';
import { countArgument, sizeArgument } from './argument.ts';
import { writeCommandLine } from './command-line.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { Interrupt } from './process/interrupt.ts';
import { createNoteLogger } from './process/note-logger.ts';
import { createDisplay } from './progress/progress-display.ts';
import { type CliTarget, parseCliTarget } from './target/target.ts';
import { Batch } from './tree/batch.ts';
import { isStdout, planDownloads } from './tree/download-plan.ts';

const EXAMPLES = `
Examples:
  sluice get localhost:50051/images/disk.iso               to ./disk.iso
  sluice get localhost:50051/a.bin localhost:50051/b.bin -o downloads/
  sluice get -r files.example.org:50051/models -o models   the content of models, to ./models
  sluice get localhost:50051/logs.tar -o - | tar x
  sluice get localhost:50051/disk.iso --start 1GiB --limit 1MiB -o piece.bin

A file appears under its name only when it is complete and verified. It replaces an
existing file unless --no-overwrite is given. Rerun an interrupted command to resume
it. A file keeps its time of change; with -r, files and new directories also have the
permissions that they have on the server. With -r, a local file of the same size that
is not older than the one on the server is skipped, unless --ignore-times is given.
Names are literal: there is no percent-decoding.

With --json each line has an event: progress, done and failed of a file, note, and
summary of several files. The error that ends the command goes to standard error.`;

interface GetOptions extends ConnectionOptions {
  output?: string;
  recursive?: boolean;
  ignoreTimes?: boolean;
  overwrite: boolean;
  connections?: number;
  parallel: number;
  start?: number;
  limit?: number;
  ifMatch?: string;
  verify: boolean;
  compression: CompressionMode;
  chunkSize?: number;
  window?: number;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

export function addGetCommand(program: Command): void {
  const command = program
    .command('get')
    .description('Download files, and resume by itself.')
    .argument(
      '<targets...>',
      'one or more of host:port/name; see sluice --help for other forms',
      collectTargets,
    )
    .option('-o, --output <path>', 'file or directory to write to; - is standard output')
    .option('-r, --recursive', 'download a directory and everything below it')
    .option(
      '-I, --ignore-times',
      'with -r: also fetch files that are here with the same size and are not older',
    )
    .option('--no-overwrite', 'fail if the file exists')
    .option(
      '--parallel <count>',
      'how many files to transfer at a time',
      countArgument(MAX_PARALLEL),
      DEFAULT_PARALLEL,
    )
    .option(
      '--connections <count>',
      'connections for one file to a path (default: 1, or 1 to each server, and up to 4 while each makes it faster)',
      countArgument(MAX_CONNECTIONS),
    )
    .option('--start <size>', 'offset to start from', sizeArgument())
    .option('--limit <size>', 'download at most this much', sizeArgument())
    .option('--if-match <version>', 'accept only this version of the file (see sluice stat)')
    .option('--no-verify', 'skip checksum verification')
    .addOption(
      new Option('--compression <when>', 'auto: the server compresses where that is faster')
        .choices(['auto', 'never', 'always'])
        .default('auto'),
    )
    .option('--chunk-size <size>', 'chunk size to ask for', sizeArgument(1, MAX_RECEIVED_CHUNK_BYTES))
    .option(
      '--window <size>',
      'fixed receive window, at least bandwidth × RTT (default: follows the link)',
      sizeArgument(MIN_WINDOW_BYTES, GIB),
    )
    .option('--json', 'print progress and results as JSON, one object per line')
    .option('-q, --quiet', 'print errors only')
    .option('-v, --verbose', 'also print details; on failure, also its cause and stack')
    .action(get);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

function collectTargets(text: string, previous: CliTarget[] | undefined): CliTarget[] {
  return [...(previous ?? []), parseCliTarget(text)];
}

async function get(targets: CliTarget[], options: GetOptions): Promise<void> {
  const { json = false, output, quiet = false, recursive = false, verbose = false } = options;
  const isStdoutTaken = isStdout(output);
  const display = createDisplay({ json, quiet, isStdoutTaken });
  const connections = new Connections(options, createNoteLogger(display, verbose), transferOptions(options));
  const interrupt = new Interrupt();
  const batch = new Batch({ display, isBatch: recursive || targets.length > 1, verbose });
  try {
    const planner = planDownloads(targets, connections, { output, recursive });
    const outcome = await runDownloads(planner, {
      // Standard output is one sequence of bytes.
      parallel: isStdoutTaken ? 1 : options.parallel,
      observer: batch,
      ignoreTimes: options.ignoreTimes ?? false,
      signal: interrupt.signal,
      transfer: rangeOptions(options),
      packClient: packClientOf(targets, connections, options),
    });
    batch.end(outcome);
  } catch (reason) {
    throw interrupt.signal.aborted ? interrupted(isStdoutTaken, reason) : reason;
  } finally {
    display.close();
    interrupt.dispose();
    connections.close();
  }
}

/** The client of a tree whose files come whole, all from one server. */
function packClientOf(
  targets: readonly CliTarget[],
  connections: Connections,
  { ifMatch, limit, recursive, start }: GetOptions,
): SluiceClient | undefined {
  if (recursive !== true || ifMatch !== undefined || limit !== undefined || start !== undefined)
    return undefined;
  const clients = new Set(targets.map((target) => connections.clientFor(target)));
  return clients.size === 1 ? [...clients][0] : undefined;
}

function transferOptions({ chunkSize, compression, verify, window }: GetOptions): ClientOptions {
  return {
    compression,
    verify,
    ...(chunkSize === undefined ? {} : { chunkBytes: chunkSize }),
    ...(window === undefined ? {} : { windowBytes: window }),
  };
}

function rangeOptions({ connections, ifMatch, limit, overwrite, start }: GetOptions) {
  return {
    overwrite,
    ...(connections === undefined ? {} : { connections }),
    ...(start === undefined ? {} : { start }),
    ...(limit === undefined ? {} : { limit }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  };
}

function interrupted(isStdoutTaken: boolean, cause: unknown): TransferError {
  const remedy = isStdoutTaken
    ? 'standard output cannot be resumed; --start continues from an offset'
    : `what has arrived is kept; resume with\n  ${writeCommandLine()}`;
  return new TransferError('CANCELLED', `interrupted; ${remedy}`, { cause });
}
