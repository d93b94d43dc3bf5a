/** `sluice put`: uploads files and trees, and resumes interrupted uploads. */
import { type Command, Option } from 'commander';
import { TransferError } from '../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES } from '../base/limits.ts';
import { MAX_CONNECTIONS } from '../client/limits.ts';
import type { ClientOptions, CompressionMode } from '../client/options.ts';
import { DEFAULT_PARALLEL, MAX_PARALLEL } from '../client/tree/options.ts';
import { runUploads } from '../client/tree/upload/upload-run.ts';
import { countArgument, sizeArgument } from './argument.ts';
import { writeCommandLine } from './command-line.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { Interrupt } from './process/interrupt.ts';
import { createNoteLogger } from './process/note-logger.ts';
import { createDisplay } from './progress/progress-display.ts';
import { parseCliTarget } from './target/target.ts';
import { Batch } from './tree/batch.ts';
import { isStdin, planUploads } from './tree/upload-plan.ts';

const EXAMPLES = `
Examples:
  sluice put disk.iso localhost:50051/                     as disk.iso
  sluice put disk.iso localhost:50051/images/new.iso
  sluice put a.bin b.bin localhost:50051/incoming/
  sluice put -r models files.example.org:50051/            as models/…
  tar c logs | sluice put - localhost:50051/logs.tar

A file appears under its name only when it is complete, verified and on the disk of
the server. It replaces an existing file unless --no-overwrite is given. Rerun an
interrupted command to resume it; standard input has to be sent again. A file keeps its
time of change; with -r, files and new directories also keep their permissions, and
empty directories are made. With -r, a file that the server has with the same size, and
not older, is skipped unless --ignore-times is given; symbolic links and special files
are left out, and the exit code is then 8. The server must accept uploads
(sluice serve --writable).

With --json each line has an event: progress, done and failed of a file, note, and
summary of several files. The error that ends the command goes to standard error.`;

interface PutOptions extends ConnectionOptions {
  recursive?: boolean;
  ignoreTimes?: boolean;
  overwrite: boolean;
  ifMatch?: string;
  connections?: number;
  parallel: number;
  verify: boolean;
  compression: CompressionMode;
  chunkSize?: number;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

export function addPutCommand(program: Command): void {
  const command = program
    .command('put')
    .description('Upload files, and resume by itself.')
    .usage('[options] <paths...> <host:port/[name]>')
    .argument('<paths...>', 'local files, or - for standard input; the last argument is the target')
    .option('-r, --recursive', 'upload a directory and everything below it')
    .option(
      '-I, --ignore-times',
      'with -r: also send files that the server has with the same size and not older',
    )
    .option('--no-overwrite', 'fail if the file exists on the server')
    .option('--if-match <version>', 'replace only this version of the file (see sluice stat)')
    .option(
      '--parallel <count>',
      'how many files to transfer at a time',
      countArgument(MAX_PARALLEL),
      DEFAULT_PARALLEL,
    )
    .option(
      '--connections <count>',
      'connections for one file (default: 1, then up to 4 while each makes it faster)',
      countArgument(MAX_CONNECTIONS),
    )
    .option('--no-verify', 'skip checksum verification')
    .addOption(
      new Option('--compression <when>', 'auto: compress where that is faster')
        .choices(['auto', 'never', 'always'])
        .default('auto'),
    )
    .option(
      '--chunk-size <size>',
      'chunk size; the server sets an upper limit',
      sizeArgument(1, MAX_RECEIVED_CHUNK_BYTES),
    )
    .option('--json', 'print progress and results as JSON, one object per line')
    .option('-q, --quiet', 'print errors only')
    .option('-v, --verbose', 'also print details; on failure, also its cause and stack')
    .action(put);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

async function put(args: string[], options: PutOptions): Promise<void> {
  const { json = false, quiet = false, recursive = false, verbose = false } = options;
  const paths = args.slice(0, -1);
  const target = parseCliTarget(args.at(-1) as string);
  const display = createDisplay({ json, quiet, isStdoutTaken: false });
  const connections = new Connections(options, createNoteLogger(display, verbose), clientOptions(options));
  const interrupt = new Interrupt();
  const batch = new Batch({ display, isBatch: recursive || paths.length > 1, verbose });
  try {
    const client = connections.clientFor(target);
    const planner = await planUploads(paths, target, {
      client,
      recursive,
      ignoreTimes: options.ignoreTimes ?? options.ifMatch !== undefined,
    });
    const outcome = await runUploads(planner, {
      client,
      inPacks: recursive,
      parallel: options.parallel,
      observer: batch,
      signal: interrupt.signal,
      transfer: uploadOptions(options),
    });
    batch.end(outcome);
  } catch (reason) {
    throw interrupt.signal.aborted ? interrupted(paths, reason) : reason;
  } finally {
    display.close();
    interrupt.dispose();
    connections.close();
  }
}

function clientOptions({ chunkSize, compression, verify }: PutOptions): ClientOptions {
  return { compression, verify, ...(chunkSize === undefined ? {} : { chunkBytes: chunkSize }) };
}

function uploadOptions({ connections, ifMatch, overwrite }: PutOptions) {
  return {
    overwrite,
    ...(connections === undefined ? {} : { connections }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  };
}

function interrupted(paths: readonly string[], cause: unknown): TransferError {
  const remedy = isStdin(paths)
    ? 'standard input cannot be resumed; nothing was kept'
    : `what the server has is kept; resume with\n  ${writeCommandLine()}`;
  return new TransferError('CANCELLED', `interrupted; ${remedy}`, { cause });
}
