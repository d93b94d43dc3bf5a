/**
 * Which files a `get` fetches and where each goes: decided before the first
 * byte moves, so that wrong usage costs nothing and sizes can be summed.
 */
import { TransferError } from '../base/errors.ts';
import type { SluiceClient } from '../client/client.ts';
import type { ListEntry } from '../wire/messages.ts';
import type { Connections } from './connection.ts';
import { entriesOf } from './entries.ts';
import { directoryForTree, pathBelow, pathForFile } from './local-path.ts';
import { type CliTarget, writeCliTarget } from './target.ts';

/** The output that means standard output. */
export const STDOUT_PATH = '-';

/** What the client puts beside a file that is not complete; see client/target-path.ts. */
const PART_SUFFIXES = ['.part', '.part.json', '.part.lock'];

export interface DownloadJob {
  client: SluiceClient;
  name: string;
  /** A local path, or `-` for standard output. */
  path: string;
  /** Files of a tree: what the listing said, and the directory that nothing is written outside of. */
  tree?: { entry: ListEntry; directory: string };
}

export interface PlanOptions {
  output: string | undefined;
  recursive: boolean;
  signal: AbortSignal;
}

/** Throws INVALID_CONFIG for wrong usage, LOCAL_IO for names that could lead out, and what a listing throws. */
export async function planDownloads(
  targets: readonly CliTarget[],
  connections: Connections,
  options: PlanOptions,
): Promise<DownloadJob[]> {
  checkUsage(targets, options);
  // Also finds what is wrong with a later target before the first one moves.
  const clients = targets.map((target) => connections.clientFor(target));
  const jobs: DownloadJob[] = [];
  for (const [index, target] of targets.entries()) {
    const client = clients[index] as SluiceClient;
    if (options.recursive) jobs.push(...(await planTree(target, client, options)));
    else
      jobs.push({ client, name: target.name, path: await planPath(target, targets.length, options.output) });
  }
  checkPaths(jobs);
  return jobs;
}

/** The bytes of all jobs, as far as listings told; undefined when one did not. */
export function plannedBytes(jobs: readonly DownloadJob[]): number | undefined {
  let bytes = 0;
  for (const { tree } of jobs) {
    if (tree === undefined) return undefined;
    bytes += tree.entry.size;
  }
  return bytes;
}

function checkUsage(targets: readonly CliTarget[], { output, recursive }: PlanOptions): void {
  const nameless = targets.find((target) => target.name === '');
  if (nameless !== undefined && !recursive) {
    const server = writeCliTarget(nameless);
    throw new TransferError(
      'INVALID_CONFIG',
      `${server} names no file; write ${server}/name, add -r for everything, or see \`sluice ls ${server}\``,
    );
  }
  if (output === STDOUT_PATH && recursive) {
    throw new TransferError(
      'INVALID_CONFIG',
      'a tree cannot go to standard output; name a directory with -o',
    );
  }
}

/** No two files may have the same place, and none may be where the unfinished bytes of another are kept. */
function checkPaths(jobs: readonly DownloadJob[]): void {
  const nameOfPath = new Map<string, string>();
  for (const { name, path } of jobs) {
    const other = nameOfPath.get(path);
    if (other !== undefined && path !== STDOUT_PATH) throw conflict(other, name, `both would become ${path}`);
    nameOfPath.set(path, name);
  }
  for (const { name, path } of jobs) {
    for (const suffix of PART_SUFFIXES) {
      const other = nameOfPath.get(path + suffix);
      if (other !== undefined)
        throw conflict(name, other, `unfinished bytes of ${name} are kept in ${path}${suffix}`);
    }
  }
}

function conflict(one: string, other: string, why: string): TransferError {
  return new TransferError(
    'INVALID_CONFIG',
    `${one} and ${other} cannot be fetched together: ${why}; fetch them apart`,
  );
}

/** Several files need a directory. */
async function planPath(target: CliTarget, targetCount: number, output: string | undefined): Promise<string> {
  if (output === STDOUT_PATH) return STDOUT_PATH;
  const mustBeDirectory = targetCount > 1 && output !== undefined && !output.endsWith('/');
  return await pathForFile(target.name, mustBeDirectory ? `${output}/` : output);
}

async function planTree(
  target: CliTarget,
  client: SluiceClient,
  options: PlanOptions,
): Promise<DownloadJob[]> {
  const { output, signal } = options;
  const directory = directoryForTree(target.name, output);
  const jobs: DownloadJob[] = [];
  for await (const entry of entriesOf(client, target.name, { recursive: true, signal })) {
    if (entry.isDirectory) continue;
    // The name is that of a file; then -r changes nothing.
    if (entry.name === target.name)
      return [{ client, name: entry.name, path: await pathForFile(entry.name, output) }];
    const path = pathBelow(directory, nameBelow(target.name, entry.name));
    jobs.push({ client, name: entry.name, path, tree: { entry, directory } });
  }
  return jobs;
}

/** `a/b/c` below `a` is `b/c`. */
function nameBelow(directory: string, name: string): string {
  const prefix = directory === '' ? '' : `${directory}/`;
  if (name.startsWith(prefix)) return name.slice(prefix.length);
  throw new TransferError('PROTOCOL_ERROR', `the server lists ${JSON.stringify(name)} in ${directory}`);
}
