/** `sluice stat`: what a file is, without its bytes. */
import type { Command } from 'commander';
import { TransferError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { FileInfo } from '../wire/messages.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { writeMode, writeOctal } from './mode-text.ts';
import { Interrupt } from './process/interrupt.ts';
import { createStderrNotes } from './process/note-logger.ts';
import { printable, writeJson, writeLine, writeTime } from './process/output.ts';
import { type CliTarget, parseCliTarget, requireName } from './target/target.ts';

const EXAMPLES = `
Examples:
  sluice stat localhost:50051/images/disk.iso
  sluice stat --json localhost:50051/images/disk.iso | jq .size
  sluice stat --digest localhost:50051/images/disk.iso

The version changes with the content; \`sluice get --if-match VERSION\` accepts
no other one, and the digest may stand in its place.`;

interface StatOptions extends ConnectionOptions {
  json?: boolean;
  digest?: boolean;
}

export function addStatCommand(program: Command): void {
  const command = program
    .command('stat')
    .description('Show size, time of change, mode, version and type of a file.')
    .argument('<target>', 'host:port/name', parseCliTarget)
    .option('--digest', 'also show the SHA-256 of the content; the server may have to read the whole file')
    .option('--json', 'print one JSON object')
    .option('-v, --verbose', 'on failure, also print its cause and stack')
    .action(stat);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

async function stat(target: CliTarget, options: StatOptions): Promise<void> {
  requireName(target, 'file');
  const connections = new Connections(options, createStderrNotes(options));
  const interrupt = new Interrupt();
  try {
    const { digest } = options;
    const file = await connections.clientFor(target).stat(target.name, { signal: interrupt.signal, digest });
    if (digest === true && file.digest === undefined)
      throw new TransferError(
        'UNIMPLEMENTED',
        'this server computes no digests; use sha256sum where the file is',
      );
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
    ...(file.digest === undefined ? [] : [`digest    ${printable(file.digest)}`]),
    `type      ${printable(file.contentType) || 'unknown'}`,
  ].join('\n');
}
