/**
 * `npm run link`: a TCP link with a delay, a rate and faults, for use by hand
 * and by tests and benches that must not share their event loop with it.
 */
import { createInterface } from 'node:readline';
import { Command, InvalidArgumentError } from 'commander';
import { formatBytes, GIB } from '../src/base/units.ts';
import { COMMANDS_HELP, runCommand } from './commands.ts';
import type { DirectedFault, Endpoint } from './connection.ts';
import { type EachWay, type Link, type LinkOptions, startLink } from './link.ts';
import { measureLinkRate } from './measure.ts';
import {
  formatRate,
  parseDelays,
  parseEndpoint,
  parseFault,
  parseRates,
  parseSize,
  writeEndpoint,
} from './notation.ts';
import { warmUpLinks } from './warm-up.ts';

interface Options {
  target?: readonly Endpoint[];
  listen?: Endpoint;
  delay?: EachWay<number>;
  jitter?: EachWay<number>;
  rate?: EachWay<number>;
  connectionRate?: EachWay<number>;
  queue?: number;
  cut?: DirectedFault;
  stall?: DirectedFault;
  end?: DirectedFault;
  measure?: number | true;
  warmUp: boolean;
  untilInputEnds: boolean;
}

const DEFAULT_MEASURED_BYTES = 2 * GIB;

/** commander prints what the parser throws. */
function reading<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

const program = new Command('link')
  .description('A TCP proxy that delays, limits, cuts and stalls, as a link between two places does.')
  .option(
    '--target <host:port>',
    'where connections go; of several, with commas, each to the next one',
    reading((text) => text.split(',').map(parseEndpoint)),
  )
  .option('--listen <host:port>', 'where to accept them (default: a free port)', reading(parseEndpoint))
  .option(
    '--delay <time>',
    'how long a byte is on its way: 8ms, or 8ms,2ms for up,down',
    reading(parseDelays),
  )
  .option('--jitter <time>', 'what is added to it at most; order is kept', reading(parseDelays))
  .option('--rate <rate>', 'of all connections together: 10MiB/s (default: none)', reading(parseRates))
  .option('--connection-rate <rate>', 'of each connection (default: none)', reading(parseRates))
  .option(
    '--queue <size>',
    'what may wait in one direction of a connection (default: 1MiB)',
    reading(parseSize),
  )
  .option(
    '--cut <direction,byte>',
    'break each connection at this byte, as in down,1MiB',
    reading((text) => parseFault('cut', text)),
  )
  .option(
    '--stall <direction,byte>',
    'stall each connection at this byte',
    reading((text) => parseFault('stall', text)),
  )
  .option(
    '--end <direction,byte>',
    'end each connection at this byte, in this direction only',
    reading((text) => parseFault('end', text)),
  )
  .option(
    '--measure [size]',
    'send raw bytes down the link instead (default: 2GiB), print the rate and end',
    reading((text) => parseSize(text)),
  )
  .option('--warm-up', 'send raw bytes through itself before it is ready', false)
  .option('--until-input-ends', 'end when standard input does', false)
  .addHelpText('after', `\nOn standard input a running link takes:\n${COMMANDS_HELP}`);

program.action(async (options: Options) => {
  if (options.measure !== undefined) await measure(options, options.measure);
  else if (options.target !== undefined)
    await serve({ ...settingsOf(options), target: options.target }, options);
  else program.error('error: --target says where connections go, --measure measures the link itself');
});

function settingsOf({
  listen,
  delay,
  jitter,
  rate,
  connectionRate,
  queue,
  cut,
  stall,
  end,
}: Options): Omit<LinkOptions, 'target'> {
  return {
    faults: [cut, stall, end].filter((fault) => fault !== undefined),
    ...(listen && { listen }),
    ...(delay !== undefined && { delayMs: delay }),
    ...(jitter !== undefined && { jitterMs: jitter }),
    ...(rate !== undefined && { rateBytesPerSec: rate }),
    ...(connectionRate !== undefined && { connectionRateBytesPerSec: connectionRate }),
    ...(queue !== undefined && { queueBytes: queue }),
  };
}

async function serve(options: LinkOptions, { untilInputEnds, warmUp }: Options): Promise<void> {
  if (warmUp) await warmUpLinks();
  const link = await startLink(options);
  const targets = [options.target].flat().map(writeEndpoint).join();
  console.log(`link is ready on ${link.address}, to ${targets}: ${link.describe()}`);
  let commands = 0;
  const input = createInterface(process.stdin);
  input.on('line', (line) => {
    if (line.trim() === '') return;
    commands += 1;
    console.log(`${commands} ${answerTo(link, line)}`);
  });
  if (untilInputEnds) input.on('close', () => process.exit());
}

function answerTo(link: Link, line: string): string {
  try {
    return runCommand(link, line);
  } catch (error) {
    return `error: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function measure(options: Options, size: number | true): Promise<void> {
  const bytes = size === true ? DEFAULT_MEASURED_BYTES : size;
  const bytesPerSec = await measureLinkRate(settingsOf(options), bytes);
  console.log(`${formatBytes(bytes)} of raw TCP down the link: ${formatRate(bytesPerSec)}`);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
