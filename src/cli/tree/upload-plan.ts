/**
 * Which files a `put` sends and which name each gets. Wrong usage is found
 * before the first byte moves; trees are planned while they are sent.
 */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { TransferError } from '../../base/errors.ts';
import type { SluiceClient } from '../../client/client.ts';
import type { FileAttributes } from '../../client/file-attributes.ts';
import { readError } from '../../client/local-error.ts';
import type { LeftOut } from '../../client/tree/plan/left-out.ts';
import { type FileJob, Places, type Plan, type PlanItem } from '../../client/tree/plan/plan.ts';
import { isNotOlder } from '../../client/tree/plan/same-file.ts';
import { entriesOfTree, type LocalFile } from '../../client/tree/upload/local-tree.ts';
import { StoredDirectories } from '../../client/tree/upload/stored-directories.ts';
import { StoredEntries } from '../../client/tree/upload/stored-entries.ts';
import { type CliTarget, writeCliTarget } from '../target.ts';

/** The argument that means standard input. */
const STDIN_ARGUMENT = '-';

export interface UploadJob extends FileJob {
  /** The bytes come from standard input, not from `path`. */
  isStdin: boolean;
  /** The server has it already, and need not get it again. */
  isStored: boolean;
  /** What the file is to get besides its bytes. */
  attributes: FileAttributes;
}

export interface UploadPlanOptions {
  client: SluiceClient;
  recursive: boolean;
  /** With `recursive`: send also what the server has with the same size and is not older. */
  ignoreTimes: boolean;
  /** Gets what is not sent. */
  leftOut: LeftOut;
  signal: AbortSignal;
}

/** One argument: a file, or a tree and the name that it gets. */
interface Source {
  path: string;
  name: string;
  found: Stats | TransferError | undefined;
}

export function isStdin(paths: readonly string[]): boolean {
  return paths.includes(STDIN_ARGUMENT);
}

/** Throws INVALID_CONFIG for wrong usage; what cannot be read is an item of the plan. */
export async function planUploads(
  paths: readonly string[],
  target: CliTarget,
  options: UploadPlanOptions,
): Promise<Plan<UploadJob>> {
  checkUsage(paths, target);
  const sources = await Promise.all(paths.map((path) => sourceOf(path, target)));
  const tree = sources.find(isTree);
  if (tree !== undefined && !options.recursive)
    throw usage(`${tree.path} is a directory; add -r to send it with everything below it`);
  checkNames(sources.filter((source) => !isTree(source)));
  return plan(sources, options);
}

function checkUsage(paths: readonly string[], target: CliTarget): void {
  const written = writeCliTarget(target);
  if (paths.length === 0) {
    throw usage(`there is nothing to send to ${written}; write sluice put path ${written}`);
  }
  if (isStdin(paths)) {
    if (paths.length > 1) throw usage('standard input (-) cannot be sent together with files');
    if (target.isDirectory)
      throw usage(`standard input has no name; write ${written}${slashAfter(target)}name`);
  }
  if (paths.length > 1 && !target.isDirectory) {
    throw usage(`several files need a directory to go to; write ${written}/`);
  }
}

function slashAfter({ server, name }: CliTarget): string {
  return name === '' && server.startsWith('unix:') ? ':' : '/';
}

async function sourceOf(path: string, target: CliTarget): Promise<Source> {
  const found = path === STDIN_ARGUMENT ? undefined : await statsOf(path);
  const isDirectory = found !== undefined && 'isDirectory' in found && found.isDirectory();
  return { path, name: isDirectory ? nameOfTree(path, target) : nameOfFile(path, target), found };
}

async function statsOf(path: string): Promise<Stats | TransferError> {
  try {
    return await stat(path);
  } catch (cause) {
    return readError('cannot read', path, cause);
  }
}

function isTree({ found }: Source): boolean {
  return found !== undefined && 'isDirectory' in found && found.isDirectory();
}

function nameOfFile(path: string, target: CliTarget): string {
  return target.isDirectory ? nameBelow(target.name, basename(path)) : target.name;
}

/** As `cp -r`: into a directory under its own name, or as the directory that is named. */
function nameOfTree(path: string, target: CliTarget): string {
  if (!target.isDirectory) return target.name;
  const isNamed = !/^(?:.*\/)?\.{1,2}\/*$/.test(path) && resolve(path) !== '/';
  return isNamed ? nameBelow(target.name, basename(path)) : target.name;
}

/** No two files may have the same name. */
function checkNames(files: readonly Source[]): void {
  const pathOfName = new Map<string, string>();
  for (const { name, path } of files) {
    const other = pathOfName.get(name);
    if (other !== undefined) throw usage(`${other} and ${path} would both become ${name}; send them apart`);
    pathOfName.set(name, path);
  }
}

async function* plan(
  sources: readonly Source[],
  options: UploadPlanOptions,
): AsyncGenerator<PlanItem<UploadJob>, void, undefined> {
  const places = new Places(sources.map(({ name }) => name));
  for (const source of sources) {
    for await (const item of isTree(source) ? planTree(source, options) : planFile(source, options)) {
      yield item.kind === 'failed' ? item : placed(item, places);
    }
  }
}

function placed(item: PlanItem<UploadJob> & { kind: 'file' }, places: Places): PlanItem<UploadJob> {
  const { name, path } = item.job;
  try {
    places.take(name, path);
    return item;
  } catch (reason) {
    return { kind: 'failed', name: path, error: TransferError.from(reason) };
  }
}

async function* planFile(
  { found, name, path }: Source,
  { client, ignoreTimes, recursive, signal }: UploadPlanOptions,
): AsyncGenerator<PlanItem<UploadJob>, void, undefined> {
  if (found instanceof TransferError) yield { kind: 'failed', name: path, error: found };
  // Pipes and devices have no size and no content of their own.
  else if (found?.isFile() !== true) {
    const isStdin = found === undefined;
    const job = { path, name, sizeBytes: undefined, isStored: false, isStdin, attributes: {} };
    yield { kind: 'file', job };
  } else {
    const isAsked = recursive && !ignoreTimes;
    const stored = isAsked ? await client.stat(name, { signal }).catch(() => undefined) : undefined;
    yield fileItem({ path, name, found }, stored, recursive);
  }
}

async function* planTree(
  { found, name: root, path: rootPath }: Source,
  { client, ignoreTimes, leftOut, signal }: UploadPlanOptions,
): AsyncGenerator<PlanItem<UploadJob>, void, undefined> {
  const stored = ignoreTimes ? undefined : new StoredEntries(client, root, signal);
  const directories = new StoredDirectories(client, signal);
  try {
    for await (const file of entriesOfTree(rootPath, root, found as Stats, leftOut)) {
      if (signal.aborted) throw new TransferError('CANCELLED', 'interrupted');
      const { found: stats, path } = file;
      if (stats instanceof TransferError) yield { kind: 'failed', name: path, error: stats };
      else if (stats.isDirectory()) {
        const error = await directories.make(file, stats, await stored?.find(file.name));
        if (error !== undefined) yield { kind: 'failed', name: path, error };
      } else yield fileItem({ ...file, found: stats }, await stored?.find(file.name), true);
    }
  } finally {
    await stored?.close();
  }
}

/** Of a tree the mode comes along; a file that is sent alone gets that of any new file, as with `cp`. */
function fileItem(
  { found, name, path }: LocalFile & { found: Stats },
  stored: { size: number; modifiedMs: number; isDirectory?: boolean } | undefined,
  keepsMode: boolean,
): PlanItem<UploadJob> {
  const { mode, mtimeMs, size } = found;
  const isFile = stored !== undefined && stored.isDirectory !== true;
  const isStored = isFile && stored.size === size && isNotOlder(stored.modifiedMs, mtimeMs);
  const modifiedMs = Math.floor(mtimeMs);
  const attributes = keepsMode ? { modifiedMs, mode } : { modifiedMs };
  return { kind: 'file', job: { path, name, sizeBytes: size, isStdin: false, isStored, attributes } };
}

function nameBelow(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

function usage(message: string): TransferError {
  return new TransferError('INVALID_CONFIG', message);
}
