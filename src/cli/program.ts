/**
 * The command line as a whole: its commands, and how each way to end becomes
 * an exit code. Commander reports wrong usage, with the nearest known name.
 */
import { Command, CommanderError } from 'commander';
import { TransferError } from '../base/errors.ts';
import { packageVersion } from '../base/package-version.ts';
import { DEFAULT_PORT } from '../client/limits.ts';
import { EXIT_CODES } from './process/exit-code.ts';
import { reportFailure } from './process/failure.ts';
import { flushed, isReaderGone, lossOfOutput } from './process/output.ts';

/** In the order of the help. Loaded on demand, because all of them take half a second. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import('./serve/serve.ts')).addServeCommand,
  get: async () => (await import('./get.ts')).addGetCommand,
  put: async () => (await import('./put.ts')).addPutCommand,
  ls: async () => (await import('./ls.ts')).addLsCommand,
  stat: async () => (await import('./stat.ts')).addStatCommand,
  rm: async () => (await import('./rm.ts')).addRmCommand,
  mkdir: async () => (await import('./mkdir.ts')).addMkdirCommand,
  token: async () => (await import('./access/token.ts')).addTokenCommand,
  config: async () => (await import('./config.ts')).addConfigCommand,
  top: async () => (await import('./top/top.ts')).addTopCommand,
  tune: async () => (await import('./tune.ts')).addTuneCommand,
};

const EXAMPLES = `
Examples:
  sluice serve /srv/files                       on 127.0.0.1:50051
  sluice get localhost:50051/disk.iso
  sluice get -r localhost:50051/images -o images
  sluice put disk.iso localhost:50051/images/
  sluice ls -l localhost:50051
  sluice top                                    what the server on this machine is doing
  sluice tune /srv/files                        find settings for this machine and these files`;

/** How a server and a file on it are written, in every command. */
const TARGETS: readonly (readonly [form: string, meaning: string])[] = [
  ['host:port/name', `the port is ${DEFAULT_PORT} where none is given`],
  ['host1:port,host2:port/name', 'several servers that have the same files'],
  ['unix:/path/to.sock:name', 'a Unix socket'],
  ['grpcs://host:port/name', 'with TLS; grpc:// is without'],
  ['alias/name', 'an alias from ~/.config/sluice/client.yaml'],
];

/** Runs the program with the arguments after its name; returns the exit code. */
export async function runProgram(args: readonly string[]): Promise<number> {
  const program = createProgram();
  await addCommands(program, args[0]);
  let running: Command | undefined;
  program.hook('preAction', (_program, command) => {
    running = command;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    await checkOutput();
    return EXIT_CODES.ok.code;
  } catch (reason) {
    if (hadEnough(reason)) return EXIT_CODES.ok.code;
    // Commander has printed the error; help and version end with 0.
    if (reason instanceof CommanderError) return reason.exitCode === 0 ? 0 : EXIT_CODES.usage.code;
    const { json = false, verbose = false } = running?.opts<{ json?: boolean; verbose?: boolean }>() ?? {};
    return reportFailure(reason, { json, verbose });
  }
}

/** Throws LOCAL_IO when standard output has lost results. */
async function checkOutput(): Promise<void> {
  await flushed(process.stdout);
  const loss = lossOfOutput();
  if (loss === undefined || isReaderGone(loss)) return;
  throw new TransferError('LOCAL_IO', `standard output cannot be written: ${loss.message}`, { cause: loss });
}

/** Whether the reader closed the pipe before the end: `sluice get … -o - | head`. */
function hadEnough(reason: unknown): boolean {
  const loss = lossOfOutput();
  if (loss === undefined || !isReaderGone(loss)) return false;
  let at = reason;
  while (at !== loss && at instanceof Error) at = at.cause;
  return at === loss;
}

function createProgram(): Command {
  // Must come before the commands, which inherit these settings.
  return (
    new Command('sluice')
      .description('Moves large files between services over gRPC.')
      .version(packageVersion())
      .exitOverride()
      // As in its own help, where it says more than its arguments: `put`.
      .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
      .showHelpAfterError('(--help shows all commands and flags)')
      .addHelpText('after', ({ command }) => helpEnd(command))
  );
}

function helpEnd(command: Command): string {
  const help = command.createHelp();
  help.helpWidth = process.stdout.columns || 80;
  const table = (title: string, rows: readonly (readonly [string, string])[]) => {
    const width = Math.max(...rows.map(([term]) => term.length));
    return ['', title, ...rows.map(([term, meaning]) => help.formatItem(term, width, meaning, help))];
  };
  const exitCodes = Object.values(EXIT_CODES).map(
    ({ code, meaning }) => [String(code).padStart(3), meaning] as const,
  );
  return [EXAMPLES, ...table('Targets:', TARGETS), ...table('Exit codes:', exitCodes)].join('\n');
}

/** Only the command that is run; all of them for help and to suggest a command for a mistyped one. */
async function addCommands(program: Command, first: string | undefined): Promise<void> {
  if (first === '--version' || first === '-V') return;
  const isCommand = first !== undefined && Object.hasOwn(COMMANDS, first);
  for (const name of isCommand ? [first] : Object.keys(COMMANDS)) {
    const add = await COMMANDS[name]?.();
    add?.(program);
  }
}
