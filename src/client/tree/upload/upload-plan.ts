/** Which files of trees are sent, and which name each gets: planned while they are sent. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { TransferError } from '../../../base/errors.ts';
import { cancelledBy } from '../../connection/cancellation.ts';
import type { FileAttributes } from '../../file-attributes.ts';
import { readError } from '../../local-error.ts';
import { type FileJob, Places, type PlanContext, type PlanItem } from '../plan/plan.ts';
import { isNotOlder } from '../plan/same-file.ts';
import type { TreeClient } from '../tree-client.ts';
import { entriesOfTree, type LocalFile } from './local-tree.ts';
import { StoredDirectories } from './stored-directories.ts';
import { StoredEntries } from './stored-entries.ts';

export interface UploadJob extends FileJob {
  /** Where the bytes come from, if not from `path`. */
  source?: Readable;
  /** The server has it already, and need not get it again. */
  isStored: boolean;
  /** What the file is to get besides its bytes. */
  attributes: FileAttributes;
  /** Files of a tree: resolves when the directory of the file has its mode; undefined when it has. */
  parent?: Promise<void> | undefined;
}

export interface UploadPlanOptions {
  client: TreeClient;
  /** Skip what the server has with the same size and is not older, and keep modes. */
  recursive: boolean;
  /** With `recursive`: skip nothing. */
  ignoreTimes: boolean;
}

/** A file or a tree here, and the name that it gets. */
export interface LocalSource {
  readonly path: string;
  readonly name: string;
  readonly found: Stats | TransferError;
}

type UploadPlan = AsyncGenerator<PlanItem<UploadJob>, void, undefined>;

/** What is at `path`, through links, or why it cannot be looked at. */
export async function statsOf(path: string): Promise<Stats | TransferError> {
  try {
    return await stat(path);
  } catch (cause) {
    return readError('cannot read', path, cause);
  }
}

export function isTree({ found }: LocalSource): boolean {
  return 'isDirectory' in found && found.isDirectory();
}

/** Several files and trees, one behind the other; what cannot be read is an item of the plan. */
export async function* planUploads(
  sources: readonly LocalSource[],
  options: UploadPlanOptions,
  context: PlanContext,
): UploadPlan {
  const places = new Places(sources.map(({ name }) => name));
  for (const source of sources) {
    for await (const item of isTree(source)
      ? planTree(source, options, context)
      : planFile(source, options, context)) {
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
  { found, name, path }: LocalSource,
  { client, ignoreTimes, recursive }: UploadPlanOptions,
  { signal }: PlanContext,
): UploadPlan {
  if (found instanceof TransferError) yield { kind: 'failed', name: path, error: found };
  // Pipes and devices have no size and no content of their own.
  else if (!found.isFile())
    yield { kind: 'file', job: { path, name, sizeBytes: undefined, isStored: false, attributes: {} } };
  else {
    const isAsked = recursive && !ignoreTimes;
    const stored = isAsked ? await client.stat(name, { signal }).catch(() => undefined) : undefined;
    yield fileItem({ path, name, found }, stored, recursive);
  }
}

async function* planTree(
  { found, name: root, path: rootPath }: LocalSource,
  { client, ignoreTimes }: UploadPlanOptions,
  { leftOut, signal }: PlanContext,
): UploadPlan {
  const stored = ignoreTimes ? undefined : new StoredEntries(client, root, signal);
  const directories = new StoredDirectories(client, signal);
  try {
    for await (const file of entriesOfTree(rootPath, root, found as Stats, leftOut)) {
      if (signal.aborted) throw cancelledBy(signal);
      yield* failuresOf(directories);
      const { found: stats, path } = file;
      if (stats instanceof TransferError) yield { kind: 'failed', name: path, error: stats };
      else if (stats.isDirectory()) await directories.begin(file, stats, await stored?.find(file.name));
      else {
        const item = fileItem({ ...file, found: stats }, await stored?.find(file.name), true);
        item.job.parent = directories.parentOf(file.name);
        yield item;
      }
    }
    await directories.made();
    yield* failuresOf(directories);
  } finally {
    await stored?.close();
  }
}

function* failuresOf(directories: StoredDirectories): Generator<PlanItem<UploadJob>, void, undefined> {
  for (const { error, path } of directories.takeFailures()) yield { kind: 'failed', name: path, error };
}

/** Of a tree the mode comes along; a file that is sent alone gets that of any new file, as with `cp`. */
function fileItem(
  { found, name, path }: LocalFile & { found: Stats },
  stored: { size: number; modifiedMs: number; isDirectory?: boolean } | undefined,
  keepsMode: boolean,
): PlanItem<UploadJob> & { kind: 'file' } {
  const { mode, mtimeMs, size } = found;
  const isFile = stored !== undefined && stored.isDirectory !== true;
  const isStored = isFile && stored.size === size && isNotOlder(stored.modifiedMs, mtimeMs);
  const modifiedMs = Math.floor(mtimeMs);
  const attributes = keepsMode ? { modifiedMs, mode } : { modifiedMs };
  return { kind: 'file', job: { path, name, sizeBytes: size, isStored, attributes } };
}
