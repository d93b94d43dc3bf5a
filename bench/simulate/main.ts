/**
 * `npm run simulate`: measures the constants of the capacity model, writes
 * docs/scaling.md from them, and says what a load needs.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { parseBytes, parseDurationMs } from '../../src/base/units.ts';
import { repositoryPath } from '../harness/paths.ts';
import { BUSY_LOAD } from '../harness/report.ts';
import { DOCUMENTED, MEASURED_FILE, readMeasured } from './constants.ts';
import { EXAMPLE_MACHINE } from './examples.ts';
import { measure } from './measure/measure.ts';
import { DEFAULT_MOST, predict } from './model.ts';
import { describePrediction, scalingPage } from './page.ts';

const PAGE = repositoryPath('docs/scaling.md');

function count(text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It is a number above 0.');
}

function share(text: string): number {
  const value = Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It is a number from 0 to 1.');
}

function bytes(text: string): number {
  const value = parseBytes(text);
  if (value !== undefined && value > 0) return value;
  throw new InvalidArgumentError('It is a size, such as 64KiB.');
}

function seconds(text: string): number {
  const value = parseDurationMs(text);
  if (value !== undefined && value > 0) return value / 1000;
  throw new InvalidArgumentError('It is a duration, such as 5m.');
}

interface PredictOptions {
  clients: number;
  rate: number;
  transferRate: number;
  uploads: number;
  text: number;
  calls: number;
  connection: number;
  tls: boolean;
  bucket: boolean;
  cores: number;
  processes?: number;
  memory: number;
  link: number;
  connections: number;
  streams: number;
  uploadStreams: number;
  storeRequests: number;
  storeLatency: number;
  most: number;
}

const program = new Command('simulate').description('The capacity of servers, on paper.');

program
  .command('measure')
  .description(`measure the constants and write ${MEASURED_FILE}`)
  .action(async () => {
    const measured = await measure((step) => console.log(step));
    if (measured.machine.loadBefore > BUSY_LOAD)
      console.log('the machine was busy: do not trust these figures');
    writeFileSync(repositoryPath(MEASURED_FILE), `${JSON.stringify(measured, rounded, 2)}\n`);
    const { points: _, ...constants } = measured;
    console.log(JSON.stringify(constants, rounded, 2));
  });

/** Four digits say more than measurements know. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

program
  .command('report')
  .description('write docs/scaling.md')
  .option('--check', 'write nothing; exit with 1 when the page is not what the constants say', false)
  .action(({ check }: { check: boolean }) => {
    const text = scalingPage(readMeasured());
    if (!check) {
      writeFileSync(PAGE, text);
    } else if (readFileSync(PAGE, 'utf8') !== text) {
      console.error('docs/scaling.md is not what the model says; run npm run simulate -- report');
      process.exitCode = 1;
    }
  });

program
  .command('predict')
  .description('how many machines a load needs')
  .requiredOption('--clients <n>', 'connected at the same time', count)
  .requiredOption('--rate <bytes>', 'of file bytes, each client each second on average', bytes)
  .requiredOption('--transfer-rate <bytes>', 'of one transfer, each second', bytes)
  .option('--uploads <share>', 'of these bytes, what clients send', share, 0)
  .option('--text <share>', 'of these bytes, what is text and travels as gzip', share, 0)
  .option('--calls <n>', 'small calls of each client each minute', Number, 1)
  .option('--connection <duration>', 'how long a connection lasts', seconds, 3600)
  .option('--tls', 'over TLS', false)
  .option('--bucket', 'from a bucket, rather than a directory', false)
  .option('--cores <n>', 'of a machine', count, EXAMPLE_MACHINE.cores)
  .option('--processes <n>', '--processes of a machine (default: one for each core)', count)
  .option('--memory <bytes>', 'of a machine', bytes, EXAMPLE_MACHINE.memoryBytes)
  .option('--link <bytes>', 'of a machine, each way, each second', bytes, EXAMPLE_MACHINE.linkBytesPerSec)
  .option('--connections <n>', 'limits.connections of a machine', count, EXAMPLE_MACHINE.connections)
  .option('--streams <n>', 'limits.streams of a machine', count, EXAMPLE_MACHINE.streams)
  .option('--upload-streams <n>', 'limits.uploadStreams of a machine', count, EXAMPLE_MACHINE.uploadStreams)
  .option('--store-requests <n>', 's3.requests of a machine', count, EXAMPLE_MACHINE.storeRequests)
  .option('--store-latency <duration>', 'of a request to the bucket', seconds, DOCUMENTED.s3Latency.value)
  .option('--most <share>', 'how full event loops, cores and links may be', share, DEFAULT_MOST)
  .action((options: PredictOptions) => {
    const machine = {
      cores: options.cores,
      processes: options.processes ?? options.cores,
      memoryBytes: options.memory,
      linkBytesPerSec: options.link,
      connections: options.connections,
      streams: options.streams,
      uploadStreams: options.uploadStreams,
      storeRequests: options.storeRequests,
    };
    const load = {
      clients: options.clients,
      bytesPerClientSec: options.rate,
      transferBytesPerSec: options.transferRate,
      uploadShare: options.uploads,
      gzipShare: options.text,
      tls: options.tls,
      callsPerClientSec: options.calls / 60,
      connectionSec: options.connection,
    };
    const backend = {
      kind: options.bucket ? 'bucket' : 'directory',
      getsPerSec: Number.POSITIVE_INFINITY,
      putsPerSec: Number.POSITIVE_INFINITY,
      latencySec: options.storeLatency,
    } as const;
    console.log(describePrediction(predict(load, machine, backend, readMeasured(), options.most), machine));
  });

// Children and temporary files are removed on 'exit', which a signal alone does not cause.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

await program.parseAsync();
