/** `sluice tune`: measures this machine with these files, and prints the best pool and slab settings. */
import { availableParallelism, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { TransferError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import { SluiceClient } from '../client/client.ts';
import { availableMemoryBytes } from '../config/memory/available-memory.ts';
import { nearestName } from '../config/nearest-name.ts';
import { countArgument, durationArgument } from './argument.ts';
import { Interrupt } from './process/interrupt.ts';
import { DEFAULTS, TUNED_KEYS, type TunedKey } from './tune/candidate.ts';
import type { TuneDisplay, TuneResult } from './tune/display.ts';
import { JsonDisplay } from './tune/json-display.ts';
import { checkResultFile, saveResult } from './tune/result-file.ts';
import { GeneratedDirectory, type Sample, takeSample } from './tune/sample.ts';
import { scheduleOf } from './tune/schedule.ts';
import { ServeChild } from './tune/serve-child.ts';
import { TextDisplay } from './tune/text-display.ts';
import { sureComparisons, Tuning } from './tune/tuning.ts';

const EXAMPLES = `
Examples:
  sluice tune                                   the working directory
  sluice tune /srv/files --write sluice.yaml    for sluice serve --config
  sluice tune /srv/files --time 10m --rounds 9  more precise
  sluice tune --only pool.threads,slab.count --streams 64

Each value is measured with a real \`sluice serve\` on this machine, in turn with
the defaults. Other settings and the environment are ignored. Tables go to standard
error, the configuration to standard output. Run it while the machine is idle.

With --write an existing file keeps its other settings and its comments. Where the
defaults are as good as anything else, the file is left alone.`;

const DEFAULT_FILE = 'sluice.yaml';

const MAX_ROUNDS = 99;
const DEFAULT_ROUNDS = 5;
const QUICK_ROUNDS = 3;

const DEFAULT_TIME_MS = 100_000;
const QUICK_TIME_MS = 40_000;

const MAX_STREAMS = 1024;
const DEFAULT_STREAMS = 16;

/** Read repeatedly, so larger than a processor's caches is enough. */
const SAMPLE_BYTES = 512 * MIB;
const QUICK_SAMPLE_BYTES = 64 * MIB;

/** The sample must stay in the page cache beside everything else. */
const SAMPLE_MEMORY_SHARE = 1 / 4;

/** Load average of the last minute, for each processor. */
const BUSY_LOAD = 0.25;

interface TuneOptions {
  rounds?: number;
  time?: number;
  quick?: boolean;
  streams: number;
  only?: TunedKey[];
  write?: string | true;
  force?: boolean;
  json?: boolean;
  verbose?: boolean;
}

export function addTuneCommand(program: Command): void {
  program
    .command('tune')
    .description('Measure this machine with your files, and print the best pool and slab settings.')
    .argument('[dir]', 'directory whose largest files are used', '.')
    .option('--write [path]', `save the settings to a configuration file (default: ${DEFAULT_FILE})`)
    .option('--force', 'let --write change settings that are already in the file')
    .option('--time <duration>', 'about how long it may take (default: 100s)', durationArgument)
    .option(
      '--rounds <count>',
      `rounds of each comparison (default: ${DEFAULT_ROUNDS})`,
      countArgument(MAX_ROUNDS),
    )
    .option('--quick', `a first estimate: ${QUICK_ROUNDS} rounds in about 40s`)
    .option(
      '--streams <count>',
      'streams of the load with many streams',
      countArgument(MAX_STREAMS),
      DEFAULT_STREAMS,
    )
    .option('--only <settings>', 'tune only these settings, separated by commas', keysArgument)
    .option('--json', 'print JSON, one object per line')
    .option('-v, --verbose', 'on failure, also print its cause and stack')
    .action(tune)
    .addHelpText('after', EXAMPLES);
}

function keysArgument(text: string): TunedKey[] {
  return text.split(',').map((name) => {
    const key = TUNED_KEYS.find((each) => each === name.trim());
    if (key !== undefined) return key;
    throw new InvalidArgumentError(
      `"${name}" is not tuned; did you mean ${nearestName(name, TUNED_KEYS)}? There are ${TUNED_KEYS.join(', ')}.`,
    );
  });
}

async function tune(dir: string, options: TuneOptions): Promise<void> {
  const { force = false, json = false, write } = options;
  if (force && write === undefined) throw new TransferError('INVALID_CONFIG', '--force is for --write');
  const file = write === undefined ? undefined : { path: write === true ? DEFAULT_FILE : write, force };
  if (file !== undefined) checkResultFile(file);
  const display = json ? new JsonDisplay() : new TextDisplay();
  const interrupt = new Interrupt(() => display.note('interrupted; stopping the measurement'));
  try {
    const result = await measure(resolve(dir), options, interrupt.signal, display);
    await display.finished(result);
    // After an interruption the settings are printed, but the file is left alone.
    if (result.isInterrupted) throw interrupted(file?.path, interrupt.signal.reason);
    if (file === undefined) return;
    if (saveResult(result, file)) await display.saved(file.path);
    else display.note(`${file.path} stays as it is`);
  } catch (reason) {
    throw interrupt.signal.aborted ? interrupted(file?.path, reason) : reason;
  } finally {
    display.close();
    interrupt.dispose();
  }
}

function interrupted(path: string | undefined, cause: unknown): TransferError {
  const notSaved = path === undefined ? '' : `; ${path} was not written`;
  return new TransferError('CANCELLED', `interrupted${notSaved}`, { cause });
}

async function measure(
  directory: string,
  options: TuneOptions,
  signal: AbortSignal,
  display: TuneDisplay,
): Promise<TuneResult> {
  const { quick = false, streams } = options;
  const mostBytes = Math.min(
    quick ? QUICK_SAMPLE_BYTES : SAMPLE_BYTES,
    Math.floor(availableMemoryBytes() * SAMPLE_MEMORY_SHARE),
  );
  const load = (loadavg()[0] ?? 0) / availableParallelism();
  if (load > BUSY_LOAD)
    display.note('the machine is busy: what else runs takes a share of it and widens the spreads');
  display.note(`reading the largest files of ${directory} once`);
  let sample = await sampleOf(directory, mostBytes, signal);
  let generated: GeneratedDirectory | undefined;
  try {
    if (sample.bytes === 0) {
      display.note(`${directory} has no files to read; a generated one takes their place for now`);
      generated = new GeneratedDirectory();
      sample = await sampleOf(generated.path, mostBytes, signal);
    }
    const keys = keysFor(sample, options, display);
    const schedule = scheduleOf({
      budgetMs: options.time ?? (quick ? QUICK_TIME_MS : DEFAULT_TIME_MS),
      rounds: options.rounds ?? (quick ? QUICK_ROUNDS : DEFAULT_ROUNDS),
      comparisons: sureComparisons(keys, streams),
    });
    await display.planned({
      directory: generated === undefined ? directory : undefined,
      sample,
      schedule,
      streams,
    });
    const place = generated?.path ?? directory;
    const tuning = new Tuning({
      keys,
      directory: place,
      files: sample.files,
      schedule,
      streams,
      signal,
      display,
    });
    return await tuning.run();
  } finally {
    generated?.remove();
  }
}

/** The files as a server of the directory shows them. */
async function sampleOf(directory: string, mostBytes: number, signal: AbortSignal): Promise<Sample> {
  const server = await ServeChild.start(directory, DEFAULTS, signal);
  const client = new SluiceClient(server.target, { compression: 'never', ownConnection: true });
  try {
    return await takeSample(client, mostBytes, signal);
  } finally {
    client.close();
    await server.stop();
  }
}

function keysFor(sample: Sample, { only }: TuneOptions, display: TuneDisplay): TunedKey[] {
  const keys = TUNED_KEYS.filter((key) => only === undefined || only.includes(key));
  if (sample.isCompressible) return keys;
  if (keys.includes('compression.level'))
    display.note('compression.level is not measured: these files do not compress');
  return keys.filter((key) => key !== 'compression.level');
}
