/**
 * Which files a `get` fetches and where each goes. Wrong usage is found before
 * the first byte moves; trees are planned while they are fetched.
 */
import { resolve } from 'node:path';
import { TransferError } from '../../base/errors.ts';
import type { SluiceClient } from '../../client/client.ts';
import { LocalDirectories, type Release } from '../../client/tree/download/local-directories.ts';
import {
  directoryForTree,
  isDirectory,
  pathBelow,
  pathForFile,
} from '../../client/tree/download/local-path.ts';
import { entriesOf } from '../../client/tree/plan/entries.ts';
import type { LeftOut } from '../../client/tree/plan/left-out.ts';
import { type FileJob, Places, type Plan, type PlanItem } from '../../client/tree/plan/plan.ts';
import type { ListEntry, OmittedEntry } from '../../wire/messages.ts';
import type { Connections } from '../connection.ts';
import { type CliTarget, writeCliTarget } from '../target.ts';

/** The output that means standard output. */
const STDOUT_OUTPUT = '-';

/** Files beside an incomplete download; see client/download/partial-file. */
const PARTIAL_SUFFIXES = ['.part', '.part.json', '.part.lock'];

export interface DownloadJob extends FileJob {
  client: SluiceClient;
  /** The bytes go to standard output, not to `path`. */
  isStdout: boolean;
  /** What the listing said, where there was one. */
  listed?: ListEntry;
  /** Files of a tree: the directory that nothing is written outside of. */
  directory?: string;
  /** Files of a tree: the directories of it wait for this. */
  release?: Release;
}

export interface PlanOptions {
  output: string | undefined;
  recursive: boolean;
  /** Gets what the listings leave out. */
  leftOut: LeftOut;
  signal: AbortSignal;
}

interface Source {
  target: CliTarget;
  client: SluiceClient;
}

export function isStdout(output: string | undefined): boolean {
  return output === STDOUT_OUTPUT;
}

/** Throws INVALID_CONFIG for wrong usage; what goes wrong with one target or file is an item of the plan. */
export function planDownloads(
  targets: readonly CliTarget[],
  connections: Connections,
  options: PlanOptions,
): Plan<DownloadJob> {
  checkUsage(targets, options);
  // Reports a wrong later target before the first transfer.
  const sources = targets.map((target) => ({ target, client: connections.clientFor(target) }));
  return options.recursive ? planTrees(sources, options) : planFiles(sources, options.output);
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
  for (const { client, target } of sources) {
    const { name } = target;
    const item = await planItem(name, () => planFile(client, name, sources.length, output));
    if (item !== undefined) items.push(item);
  }
  checkPaths(items.flatMap((item) => (item.kind === 'file' && !item.job.isStdout ? [item.job] : [])));
  yield* items;
}

async function planFile(
  client: SluiceClient,
  name: string,
  count: number,
  output: string | undefined,
): Promise<DownloadJob> {
  if (isStdout(output)) return { client, name, path: name, isStdout: true, sizeBytes: undefined };
  // Several files need a directory.
  const mustBeDirectory = count > 1 && output !== undefined && !output.endsWith('/');
  const path = await pathForFile(name, mustBeDirectory ? `${output}/` : output);
  // Usually the name is a directory on the server too, and the server's error names the remedy.
  if (await isDirectory(path)) {
    await client.stat(name);
    throw new TransferError('LOCAL_IO', `there is a directory ${path} here; name another place with -o`);
  }
  return { client, name, path, isStdout: false, sizeBytes: undefined };
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

function conflict(one: string, other: string, why: string): TransferError {
  return new TransferError(
    'INVALID_CONFIG',
    `${one} and ${other} cannot be fetched together: ${why}; fetch them separately`,
  );
}

async function* planTrees(
  sources: readonly Source[],
  options: PlanOptions,
): AsyncGenerator<PlanItem<DownloadJob>, void, undefined> {
  const { leftOut, output, signal } = options;
  const roots = sources.map(({ target }) => resolve(directoryForTree(target.name, output)));
  const places = new Places(roots);
  const onOmitted = ({ reason, shownName }: OmittedEntry) => leftOut.add(shownName, reason);
  for (const { client, target } of sources) {
    const { name: root } = target;
    try {
      const top = directoryForTree(root, output);
      const directories = new LocalDirectories(top);
      for await (const entry of entriesOf(client, root, { recursive: true, signal, onOmitted })) {
        const { isDirectory, mode, name } = entry;
        const item = await planItem(name, async () => {
          if (isDirectory) {
            await directories.enter(name, pathBelow(top, nameBelow(root, name)), mode);
            return undefined;
          }
          const job = await planEntry(client, root, entry, output);
          places.take(resolve(job.path), name);
          return { ...job, release: await directories.hold(name) };
        });
        if (item !== undefined) yield item;
      }
      await directories.end();
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'CANCELLED') throw error;
      yield { kind: 'failed', name: root, error };
    }
  }
}

async function planEntry(
  client: SluiceClient,
  root: string,
  listed: ListEntry,
  output: string | undefined,
): Promise<DownloadJob> {
  const { name, size } = listed;
  const job = { client, name, isStdout: false, sizeBytes: size, listed };
  // The name is that of a file; then -r changes nothing.
  if (name === root) return { ...job, path: await pathForFile(name, output) };
  const directory = directoryForTree(root, output);
  const path = pathBelow(directory, nameBelow(root, name));
  await refusePlaceOfPartial(client, name);
  return { ...job, path, directory };
}

/** `x.part` holds unfinished bytes of `x`. The server is asked, because the tree is not held whole. */
async function refusePlaceOfPartial(client: SluiceClient, name: string): Promise<void> {
  const suffix = PARTIAL_SUFFIXES.find((each) => name.endsWith(each) && !name.endsWith(`/${each}`));
  if (suffix === undefined) return;
  const other = name.slice(0, -suffix.length);
  const isThere = await client.stat(other).then(
    () => true,
    () => false,
  );
  if (isThere) throw conflict(other, name, `unfinished bytes of ${other} are kept there`);
}

/** A problem with one file must not stop the others. Undefined where nothing is to be transferred. */
async function planItem(
  name: string,
  plan: () => Promise<DownloadJob | undefined>,
): Promise<PlanItem<DownloadJob> | undefined> {
  try {
    const job = await plan();
    return job === undefined ? undefined : { kind: 'file', job };
  } catch (reason) {
    const error = TransferError.from(reason);
    if (error.code === 'CANCELLED') throw error;
    return { kind: 'failed', name, error };
  }
}

/** `a/b/c` below `a` is `b/c`. */
function nameBelow(directory: string, name: string): string {
  const prefix = directory === '' ? '' : `${directory}/`;
  if (name.startsWith(prefix)) return name.slice(prefix.length);
  throw new TransferError('PROTOCOL_ERROR', `the server lists ${JSON.stringify(name)} in ${directory}`);
}
