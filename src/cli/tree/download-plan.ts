/**
 * Which files a `get` fetches and where each goes. Wrong usage is found before
 * the first byte moves.
 */
import { TransferError } from '../../base/errors.ts';
import {
  conflict,
  type DownloadJob,
  PARTIAL_SUFFIXES,
  planItem,
  planTrees,
} from '../../client/tree/download/download-plan.ts';
import { isDirectory, pathForFile } from '../../client/tree/download/local-path.ts';
import type { PlanItem, Planner } from '../../client/tree/plan/plan.ts';
import type { TreeClient } from '../../client/tree/tree-client.ts';
import type { Connections } from '../connection.ts';
import { type CliTarget, writeCliTarget } from '../target/target.ts';

/** The output that means standard output. */
const STDOUT_OUTPUT = '-';

export interface PlanOptions {
  output: string | undefined;
  recursive: boolean;
}

interface Source {
  name: string;
  client: TreeClient;
}

export function isStdout(output: string | undefined): boolean {
  return output === STDOUT_OUTPUT;
}

/** Throws INVALID_CONFIG for wrong usage; what goes wrong with one target or file is an item of the plan. */
export function planDownloads(
  targets: readonly CliTarget[],
  connections: Connections,
  options: PlanOptions,
): Planner<DownloadJob> {
  checkUsage(targets, options);
  // Reports a wrong later target before the first transfer.
  const sources = targets.map((target) => ({ name: target.name, client: connections.clientFor(target) }));
  const { output, recursive } = options;
  return (context) => (recursive ? planTrees(sources, output, context) : planFiles(sources, output));
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
  if (isStdout(output) && recursive) {
    throw new TransferError(
      'INVALID_CONFIG',
      'a tree cannot go to standard output; name a directory with -o',
    );
  }
}

async function* planFiles(
  sources: readonly Source[],
  output: string | undefined,
): AsyncGenerator<PlanItem<DownloadJob>, void, undefined> {
  const items: PlanItem<DownloadJob>[] = [];
  for (const { client, name } of sources) {
    const item = await planItem(name, () => planFile(client, name, sources.length, output));
    if (item !== undefined) items.push(item);
  }
  checkPaths(
    items.flatMap((item) => (item.kind === 'file' && item.job.target === undefined ? [item.job] : [])),
  );
  yield* items;
}

async function planFile(
  client: TreeClient,
  name: string,
  count: number,
  output: string | undefined,
): Promise<DownloadJob> {
  if (isStdout(output)) return { client, name, path: name, target: process.stdout, sizeBytes: undefined };
  // Several files need a directory.
  const mustBeDirectory = count > 1 && output !== undefined && !output.endsWith('/');
  const path = await pathForFile(name, mustBeDirectory ? `${output}/` : output);
  // Usually the name is a directory on the server too, and the server's error names the remedy.
  if (await isDirectory(path)) {
    await client.stat(name);
    throw new TransferError('LOCAL_IO', `there is a directory ${path} here; name another place with -o`);
  }
  return { client, name, path, sizeBytes: undefined };
}

/** No two files may have the same place, and none may be where the unfinished bytes of another are kept. */
function checkPaths(jobs: readonly DownloadJob[]): void {
  const nameOfPath = new Map<string, string>();
  for (const { name, path } of jobs) {
    const other = nameOfPath.get(path);
    if (other !== undefined) throw conflict(other, name, `both would become ${path}`);
    nameOfPath.set(path, name);
  }
  for (const { name, path } of jobs) {
    for (const suffix of PARTIAL_SUFFIXES) {
      const other = nameOfPath.get(path + suffix);
      if (other !== undefined)
        throw conflict(name, other, `unfinished bytes of ${name} are kept in ${path}${suffix}`);
    }
  }
}
