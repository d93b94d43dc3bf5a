/** `sluice rm`: removes files from a server. */
import type { Command } from 'commander';
import { TransferError } from '../base/errors.ts';
import type { SluiceClient } from '../client/client.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { entriesOf } from './entries.ts';
import { Interrupt } from './interrupt.ts';
import { createStderrNotes } from './note-logger.ts';
import { printable, writeJson, writeLine } from './output.ts';
import { type CliTarget, parseCliTarget, writeCliTarget } from './target.ts';

const EXAMPLES = `
Examples:
  sluice rm localhost:50051/images/old.iso
  sluice rm -f localhost:50051/a.bin localhost:50051/b.bin
  sluice rm -r localhost:50051/incoming
  sluice rm localhost:50051/a.bin --if-match VERSION

A file that is not there is an error, unless -f is given. The server must take
uploads (sluice serve --writable).`;

interface RmOptions extends ConnectionOptions {
  force?: boolean;
  recursive?: boolean;
  ifMatch?: string;
  json?: boolean;
  verbose?: boolean;
}

export function addRmCommand(program: Command): void {
  const command = program
    .command('rm')
    .description('Remove files from a server.')
    .argument('<targets...>', 'host:port/name, and more of them', collectTargets)
    .option('-f, --force', 'a file that is not there is no error')
    .option('-r, --recursive', 'remove all files below a directory')
    .option('--if-match <version>', 'remove only this version of the file (see sluice stat)')
    .option('--json', 'print one JSON object for each file')
    .option('-v, --verbose', 'print what is removed; on failure, where it arose')
    .action(remove);
  addConnectionOptions(command).addHelpText('after', EXAMPLES);
}

function collectTargets(text: string, previous: CliTarget[] | undefined): CliTarget[] {
  return [...(previous ?? []), parseCliTarget(text)];
}

async function remove(targets: CliTarget[], options: RmOptions): Promise<void> {
  checkUsage(targets, options);
  const connections = new Connections(options, createStderrNotes(options));
  const interrupt = new Interrupt();
  try {
    // Also finds what is wrong with a later target before anything is removed.
    const clients = targets.map((target) => connections.clientFor(target));
    const removal = new Removal(options, interrupt.signal);
    for (const [index, target] of targets.entries()) {
      await removal.removeTarget(clients[index] as SluiceClient, target);
    }
    removal.throwFailure();
  } finally {
    interrupt.dispose();
    connections.close();
  }
}

function checkUsage(targets: readonly CliTarget[], { ifMatch, recursive = false }: RmOptions): void {
  const nameless = targets.find(({ name }) => name === '');
  if (nameless !== undefined) {
    const server = writeCliTarget(nameless);
    throw new TransferError('INVALID_CONFIG', `${server} names no file; write ${server}/name`);
  }
  if (ifMatch !== undefined && (recursive || targets.length > 1)) {
    throw new TransferError('INVALID_CONFIG', '--if-match is about one file; remove that one alone');
  }
}

/** As `rm` does: what cannot be removed does not keep the rest. */
class Removal {
  readonly #options: RmOptions;
  readonly #signal: AbortSignal;
  readonly #failures: TransferError[] = [];

  constructor(options: RmOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  async removeTarget(client: SluiceClient, { name }: CliTarget): Promise<void> {
    await this.#attempt(async () => {
      for (const each of await this.#namesOf(client, name)) {
        await this.#attempt(async () => await this.#removeFile(client, each));
      }
    });
  }

  /** The first failure, or nothing. */
  throwFailure(): void {
    const [first] = this.#failures;
    if (first === undefined) return;
    if (this.#failures.length === 1) throw first;
    const message = `${this.#failures.length} could not be removed, the first because: ${first.message}`;
    throw new TransferError(first.code, message, { cause: first });
  }

  /** All of them before the first is removed: a listing that changes under its reader may leave some out. */
  async #namesOf(client: SluiceClient, name: string): Promise<string[]> {
    if (this.#options.recursive !== true) return [name];
    const names: string[] = [];
    for await (const entry of entriesOf(client, name, { recursive: true, signal: this.#signal })) {
      if (!entry.isDirectory) names.push(entry.name);
    }
    return names;
  }

  async #removeFile(client: SluiceClient, name: string): Promise<void> {
    const { ifMatch, json, verbose } = this.#options;
    await client.delete(name, { signal: this.#signal, ...(ifMatch === undefined ? {} : { ifMatch }) });
    if (json === true) await writeJson({ event: 'removed', name });
    else if (verbose === true) await writeLine(`removed ${printable(name)}`);
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'CANCELLED') throw error;
      if (error.code === 'NOT_FOUND' && this.#options.force === true) return;
      this.#failures.push(error);
    }
  }
}
