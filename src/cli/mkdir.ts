/** `sluice mkdir`: makes directories on a server. */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { Interrupt } from './process/interrupt.ts';
import { createStderrNotes } from './process/note-logger.ts';
import { type CliTarget, parseCliTarget, requireName } from './target/target.ts';

const EXAMPLES = `
Examples:
  sluice mkdir localhost:50051/incoming
  sluice mkdir localhost:50051/a/b/c files.example.org:50051/d

The directories above it are made too; one that is there already is no error. \`put\`
makes the directories it needs by itself. The server must be writable
(sluice serve --writable).`;

interface MkdirOptions extends ConnectionOptions {
  verbose?: boolean;
}

export function addMkdirCommand(program: Command): void {
  const command = program
    .command('mkdir')
    .description('Make directories on a server.')
    .argument(
      '<targets...>',
      'one or more of host:port/name; see sluice --help for other forms',
      collectTargets,
    )
    .option('-v, --verbose', 'on failure, also print its cause and stack')
    .action(makeDirectories);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

function collectTargets(text: string, previous: CliTarget[] | undefined): CliTarget[] {
  return [...(previous ?? []), parseCliTarget(text)];
}

async function makeDirectories(targets: CliTarget[], options: MkdirOptions): Promise<void> {
  for (const target of targets) requireName(target, 'directory');
  const connections = new Connections(options, createStderrNotes(options));
  const interrupt = new Interrupt();
  try {
    for (const target of targets)
      await connections.clientFor(target).makeDirectory(target.name, { signal: interrupt.signal });
  } finally {
    interrupt.dispose();
    connections.close();
  }
}
