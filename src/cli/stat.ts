/** `sluice stat`: what a file is, without its bytes. */
import type { Command } from 'commander';
import { formatBytes } from '../base/units.ts';
import type { FileInfo } from '../wire/messages.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { writeMode, writeOctal } from './mode-text.ts';
import { Interrupt } from './process/interrupt.ts';
import { createStderrNotes } from './process/note-logger.ts';
import { printable, writeJson, writeLine, writeTime } from './process/output.ts';
import { type CliTarget, parseCliTarget } from './target/target.ts';

const EXAMPLES = `
Examples:
  sluice stat localhost:50051/images/disk.iso
  sluice stat --json localhost:50051/images/disk.iso | jq .size

The version changes with the content; \`sluice get --if-match VERSION\` accepts
no other one.`;

interface StatOptions extends ConnectionOptions {
  json?: boolean;
}

export function addStatCommand(program: Command): void {
  const command = program
    .command('stat')
    .description('Show size, time of change, mode, version and type of a file.')
    .argument('<target>', 'host:port/name', parseCliTarget)
    .option('--json', 'print one JSON object')
    .option('-v, --verbose', 'on failure, also print its cause and stack')
    .action(stat);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

async function stat(target: CliTarget, options: StatOptions): Promise<void> {
  const connections = new Connections(options, createStderrNotes(options));
  const interrupt = new Interrupt();
  try {
    const file = await connections.clientFor(target).stat(target.name, { signal: interrupt.signal });
    if (options.json === true) await writeJson(file);
    else await writeLine(describe(file));
  } finally {
    interrupt.dispose();
    connections.close();
  }
}

function describe(file: FileInfo): string {
  return [
    `name      ${printable(file.name)}`,
    `size      ${file.size} (${formatBytes(file.size)})`,
    `modified  ${writeTime(file.modifiedMs)}`,
    ...(file.mode === undefined ? [] : [`mode      ${writeOctal(file.mode)} (${writeMode(file.mode)})`]),
    `version   ${printable(file.version)}`,
    `type      ${printable(file.contentType) || 'unknown'}`,
  ].join('\n');
}
