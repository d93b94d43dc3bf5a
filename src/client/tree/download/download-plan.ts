/** Which files of trees are fetched, and where each goes: planned while they are fetched. */
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { TransferError } from '../../../base/errors.ts';
import type { ListEntry, OmittedEntry } from '../../../wire/messages.ts';
import { entriesOf } from '../plan/entries.ts';
import { type FileJob, Places, type PlanContext, type PlanItem } from '../plan/plan.ts';
import type { TreeClient } from '../tree-client.ts';
import { LocalDirectories, type Place, type Release } from './local-directories.ts';
import { directoryForTree, pathBelow, pathForFile, prepareTop } from './local-path.ts';

/** Files beside an incomplete download; see client/download/partial-file. */
export const PARTIAL_SUFFIXES = ['.part', '.part.json', '.part.lock'];

export interface DownloadJob extends FileJob {
  client: TreeClient;
  /** Where the bytes go, if not to `path`. */
  target?: Writable;
  /** What the listing said, where there was one. */
  listed?: ListEntry;
  /** Files of a tree: the directory that nothing is written outside of. */
  directory?: string;
  /** Files of a tree: the directories of it wait for this. */
  release?: Release;
  /** Files of a tree: what is known of their own directory. */
  parent?: Place['parent'];
}

/** A tree on a server, or a file, which is a tree of one. */
export interface TreeSource {
  readonly client: TreeClient;
  readonly name: string;
}

type DownloadPlan = AsyncGenerator<PlanItem<DownloadJob>, void, undefined>;

/**
 * Several trees, one behind the other: what goes wrong with one of them is an item of the plan.
 *
 * @param output the directory that all go to; undefined for directories that are called like the trees.
 *   For a tree of one file see `pathForFile`.
 */
export async function* planTrees(
  sources: readonly TreeSource[],
  output: string | undefined,
  context: PlanContext,
): DownloadPlan {
  const places = new Places(sources.map(({ name }) => resolve(directoryForTree(name, output))));
  for (const source of sources) {
    try {
      yield* planTree(source, output, context, places);
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'CANCELLED') throw error;
      yield { kind: 'failed', name: source.name, error };
    }
  }
}

/** One tree. Throws what its listing throws. */
export async function* planTree(
  { client, name: root }: TreeSource,
  output: string | undefined,
  { leftOut, signal }: PlanContext,
  places = new Places([]),
): DownloadPlan {
  const onOmitted = ({ reason, shownName }: OmittedEntry) => leftOut.add(shownName, reason);
  const top = directoryForTree(root, output);
  const directories = new LocalDirectories(top);
  let isEmpty = true;
  for await (const entry of entriesOf(client, root, { recursive: true, signal, onOmitted })) {
    const { isDirectory, mode, name } = entry;
    isEmpty = false;
    const item = await planItem(name, async () => {
      if (isDirectory) {
        await directories.enter(name, pathBelow(top, nameBelow(root, name)), mode);
        return undefined;
      }
      const job = await planEntry(client, root, entry, output);
      places.take(resolve(job.path), name);
      return { ...job, ...(await directories.hold(name)) };
    });
    if (item !== undefined) yield item;
  }
  await directories.end();
  // A directory all the same.
  if (isEmpty) await prepareTop(top);
}

async function planEntry(
  client: TreeClient,
  root: string,
  listed: ListEntry,
  output: string | undefined,
): Promise<DownloadJob> {
  const { name, size } = listed;
  const job = { client, name, sizeBytes: size, listed };
  // The name is that of a file; then -r changes nothing.
  if (name === root) return { ...job, path: await pathForFile(name, output) };
  const directory = directoryForTree(root, output);
  const path = pathBelow(directory, nameBelow(root, name));
  await refusePlaceOfPartial(client, name);
  return { ...job, path, directory };
}

/** `x.part` holds unfinished bytes of `x`. The server is asked, because the tree is not held whole. */
async function refusePlaceOfPartial(client: TreeClient, name: string): Promise<void> {
  const suffix = PARTIAL_SUFFIXES.find((each) => name.endsWith(each) && !name.endsWith(`/${each}`));
  if (suffix === undefined) return;
  const other = name.slice(0, -suffix.length);
  const isThere = await client.stat(other).then(
    () => true,
    () => false,
  );
  if (isThere) throw conflict(other, name, `unfinished bytes of ${other} are kept there`);
}

/** Two files that cannot both be here. */
export function conflict(one: string, other: string, why: string): TransferError {
  return new TransferError(
    'INVALID_CONFIG',
    `${one} and ${other} cannot be fetched together: ${why}; fetch them separately`,
  );
}

/** A problem with one file must not stop the others. Undefined where nothing is to be transferred. */
export async function planItem(
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
