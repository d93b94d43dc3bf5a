/** `sluice rm`: removes files from a server. */
import type { Command } from 'commander';
import { TransferError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { SluiceClient } from '../client/client.ts';
import { entriesOf } from '../client/tree/plan/entries.ts';
import { LeftOut } from '../client/tree/plan/left-out.ts';
import type { OmittedEntry } from '../wire/messages.ts';
import { addConnectionOptions, type ConnectionOptions, Connections } from './connection.ts';
import { Interrupt } from './process/interrupt.ts';
import { createStderrNotes } from './process/note-logger.ts';
import { printable, writeJson, writeLine } from './process/output.ts';
import { writeFailed, writeFileCount } from './progress/progress-text.ts';
import { type CliTarget, parseCliTarget, requireName } from './target/target.ts';
import { leftOutLines } from './tree/left-out-text.ts';

const EXAMPLES = `
Examples:
  sluice rm localhost:50051/images/old.iso
  sluice rm -f localhost:50051/a.bin localhost:50051/b.bin
  sluice rm -r localhost:50051/incoming
  sluice rm localhost:50051/a.bin --if-match VERSION

A missing file is an error unless -f is given. A directory that holds something the
server does not list, such as a symbolic link, is not removed. The server must be
writable (sluice serve --writable).`;

interface RmOptions extends ConnectionOptions {
  force?: boolean;
  recursive?: boolean;
  ifMatch?: string;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

export function addRmCommand(program: Command): void {
  const command = program
    .command('rm')
    .description('Remove files from a server.')
    .argument(
      '<targets...>',
      'one or more of host:port/name; see sluice --help for other forms',
      collectTargets,
    )
    .option('-f, --force', 'ignore files that do not exist')
    .option('-r, --recursive', 'remove a directory and everything below it')
    .option('--if-match <version>', 'remove only this version of the file (see sluice stat)')
    .option('--json', 'print one JSON object per file and directory, and a summary')
    .option('-q, --quiet', 'print errors only')
    .option('-v, --verbose', 'print what is removed; on failure, also its cause and stack')
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
    // Reports a wrong later target before anything is removed.
    const clients = targets.map((target) => connections.clientFor(target));
    const isBatch = options.recursive === true || targets.length > 1;
    const removal = new Removal(options, isBatch, interrupt.signal);
    for (const [index, target] of targets.entries()) {
      await removal.removeTarget(clients[index] as SluiceClient, target);
    }
    await removal.end();
  } finally {
    interrupt.dispose();
    connections.close();
  }
}

function checkUsage(targets: readonly CliTarget[], { ifMatch, recursive = false }: RmOptions): void {
  for (const target of targets) requireName(target, 'file');
  if (ifMatch !== undefined && (recursive || targets.length > 1)) {
    throw new TransferError('INVALID_CONFIG', '--if-match is about one file; remove that one alone');
  }
}

/** A directory on the way from the target to what is listed now. */
interface Level {
  name: string;
  /** Something in it could not be removed. */
  isKept: boolean;
}

/** As `rm`: a failure does not stop the rest. */
class Removal {
  readonly #options: RmOptions;
  readonly #isBatch: boolean;
  readonly #signal: AbortSignal;
  readonly #leftOut = new LeftOut();
  readonly #startedMs = performance.now();
  #firstFailure: TransferError | undefined;
  #failedNames = 0;
  #files = 0;
  #directories = 0;

  constructor(options: RmOptions, isBatch: boolean, signal: AbortSignal) {
    this.#options = options;
    this.#isBatch = isBatch;
    this.#signal = signal;
  }

  async removeTarget(client: SluiceClient, { name }: CliTarget): Promise<void> {
    if (this.#options.recursive === true)
      await this.#attempt(name, async () => await this.#removeTree(client, name));
    else await this.#removeFile(client, name);
  }

  /** Says what was done; throws the first failure. */
  async end(): Promise<void> {
    if (this.#isBatch) await this.#sumUp();
    const first = this.#firstFailure;
    if (first === undefined) return;
    if (this.#failedNames === 1) throw first;
    const message = `${this.#failedNames} could not be removed, the first because: ${first.message}`;
    throw new TransferError(first.code, message, { cause: first });
  }

  /** Removes while listing, each directory after its content, so that a tree is never held whole. */
  async #removeTree(client: SluiceClient, root: string): Promise<void> {
    const levels: Level[] = [{ name: root, isKept: false }];
    const onOmitted = ({ reason, shownName }: OmittedEntry) => this.#leftOut.add(shownName, reason);
    const options = { recursive: true, signal: this.#signal, onOmitted };
    for await (const { isDirectory, name } of entriesOf(client, root, options)) {
      if (name === root && !isDirectory) {
        await this.#removeFile(client, root);
        return;
      }
      while (levels.length > 1 && !isBelow(name, levels)) await this.#leave(client, levels);
      if (!isBelow(name, levels))
        throw new TransferError('PROTOCOL_ERROR', `the server lists ${JSON.stringify(name)} in ${root}`);
      if (isDirectory) levels.push({ name, isKept: false });
      else if (!(await this.#removeFile(client, name))) keep(levels);
    }
    while (levels.length > 0) await this.#leave(client, levels);
  }

  /** Removes the last of `levels` if it is empty; otherwise its parent is not empty either. */
  async #leave(client: SluiceClient, levels: Level[]): Promise<void> {
    const { isKept, name } = levels.pop() as Level;
    const isGone =
      !isKept &&
      (await this.#attempt(name, async () => {
        await client.deleteDirectory(name, { signal: this.#signal });
        this.#directories += 1;
        await this.#tell(name, true);
      }));
    if (!isGone) keep(levels);
  }

  async #removeFile(client: SluiceClient, name: string): Promise<boolean> {
    const { ifMatch } = this.#options;
    return await this.#attempt(name, async () => {
      await client.delete(name, { signal: this.#signal, ...(ifMatch === undefined ? {} : { ifMatch }) });
      this.#files += 1;
      await this.#tell(name, false);
    });
  }

  async #tell(name: string, isDirectory: boolean): Promise<void> {
    const { json, verbose } = this.#options;
    if (json === true) await writeJson({ event: 'removed', name, ...(isDirectory ? { isDirectory } : {}) });
    else if (verbose === true) await writeLine(`removed ${printable(name)}${isDirectory ? '/' : ''}`);
  }

  async #tellFailure(name: string, error: TransferError): Promise<void> {
    const { code, message } = error;
    if (this.#options.json === true) await writeJson({ event: 'failed', name, code, message });
    else await writeLine(printable(writeFailed(name, error)), process.stderr);
  }

  /** Whether it is gone. */
  async #attempt(name: string, action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'CANCELLED') throw error;
      if (error.code === 'NOT_FOUND' && this.#options.force === true) return true;
      this.#firstFailure ??= error;
      this.#failedNames += 1;
      if (this.#isBatch) await this.#tellFailure(name, error);
      return false;
    }
  }

  async #sumUp(): Promise<void> {
    const { json, quiet } = this.#options;
    const durationMs = performance.now() - this.#startedMs;
    const [files, directories, failedNames] = [this.#files, this.#directories, this.#failedNames];
    if (json === true)
      return await writeJson({
        event: 'summary',
        files,
        directories,
        durationMs,
        failedNames,
        leftOut: this.#leftOut,
      });
    for (const line of leftOutLines(this.#leftOut)) await writeLine(line, process.stderr);
    if (quiet === true) return;
    const trees =
      directories > 0 ? ` and ${directories} ${directories === 1 ? 'directory' : 'directories'}` : '';
    const failures = failedNames > 0 ? `; ${failedNames} failed` : '';
    const took = formatDuration(durationMs);
    await writeLine(`${writeFileCount(files)}${trees} removed in ${took}${failures}`, process.stderr);
  }
}

function isBelow(name: string, levels: readonly Level[]): boolean {
  return name.startsWith(`${levels.at(-1)?.name}/`);
}

function keep(levels: readonly Level[]): void {
  const last = levels.at(-1);
  if (last !== undefined) last.isKept = true;
}
