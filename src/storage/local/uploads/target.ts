/**
 * The name that an upload publishes or a delete removes: the walk to it, the
 * present entry, and whether that may be replaced.
 */
import type { BigIntStats } from 'node:fs';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { type EntryStats, entryStatsOf } from '../../../base/files/entry-stats.ts';
import { identityVersionOf } from '../../../base/files/file-version.ts';
import { otherSpelling } from '../../../base/files/spelling.ts';
import { parseName } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import type { WriteCondition } from '../../upload-store.ts';
import type { Directory } from '../directory.ts';
import { inParentOf } from '../directory-walk.ts';
import { LocalFile } from '../local-file.ts';
import { fileObstacle } from '../obstacle.ts';
import { openRegularFile } from '../regular-file.ts';
import { toWriteError } from './disk/write-error.ts';
import type { UploadContext } from './options.ts';

/** What to do with the directories on the way to a target. */
export type OnTheWay = 'enter' | 'make' | 'sync';

/** For whoever may read and write what the umask of the server leaves, as `mkdir` does. */
export const DIRECTORY_MODE = 0o777;

/** Where a name leads to, on the file system of the store. */
export interface Place {
  readonly parent: Directory;
  readonly entry: string;
}

export interface Target extends Place {
  /** What is there now; undefined for nothing. */
  readonly stats: BigIntStats | undefined;
}

/** A file that is there. */
interface Found extends Place {
  readonly look: EntryStats;
}

/**
 * Runs `use` at the entry `name`. `make` makes the directories that are missing;
 * `make` and `sync` make sure that those on the way are durable, whoever made them.
 *
 * @throws TransferError NOT_A_FILE when what is there is not a file of the store, NOT_FOUND when a
 *   directory is missing, those of writing, and what `use` throws.
 */
export async function atTarget<T>(
  context: UploadContext,
  name: string,
  onTheWay: OnTheWay,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  return await atEntry(context, name, onTheWay, async (place) =>
    use({ ...place, stats: await lookAt(context, name, place) }),
  );
}

/** As `atTarget`, whatever is there. */
export async function atEntry<T>(
  context: UploadContext,
  name: string,
  onTheWay: OnTheWay,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  const { root, rootUse } = context;
  const beforeEnter = async (parent: Directory, component: string) => {
    if (onTheWay === 'make') await makeOnTheWay(context, parent, component);
    if (onTheWay !== 'enter') await context.durability.directory(parent);
  };
  try {
    return await rootUse.use(() =>
      inParentOf(
        root.directory,
        parseName(name),
        async (parent, entry) => {
          const { dev } = await context.fs.lstat(parent.pathOf('.'));
          if (dev !== root.device) throw toWriteError({ code: 'EXDEV' }, name);
          return await use({ parent, entry });
        },
        beforeEnter,
      ),
    );
  } catch (reason) {
    throw toTargetError(reason, name);
  }
}

/** Tries to make the directories of a name and to use the last one, while somebody removes them as empty ones. */
const TRIES = 3;

/** Runs `work` again when a directory that it had made, or found, was removed before it was used. */
export async function whileDirectoriesVanish<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (reason) {
      if (tries === TRIES || !(reason instanceof TransferError) || errnoOf(reason.cause) !== 'ENOENT')
        throw reason;
    }
  }
}

/**
 * Whether what is there may be replaced; undefined for nothing.
 *
 * @throws TransferError ALREADY_EXISTS, VERSION_MISMATCH, FILE_CHANGED where that happens while its digest is computed
 */
export async function checkCondition(
  context: UploadContext,
  condition: WriteCondition,
  name: string,
  found: Found | undefined,
): Promise<void> {
  if (condition.kind === 'any' || (condition.kind === 'absent' && found === undefined)) return;
  if (condition.kind === 'absent') {
    throw new TransferError(
      'ALREADY_EXISTS',
      `${quoteName(name)} exists already; choose another name or overwrite it`,
    );
  }
  if (found === undefined) {
    throw new TransferError(
      'VERSION_MISMATCH',
      `there is no ${quoteName(name)} any more; start over without a version`,
    );
  }
  const { versions } = context;
  let { look } = found;
  let isAsAsked = versions.has(name, look, condition.version);
  if (isAsAsked === undefined) {
    look = await withDigest(context, name, found);
    isAsAsked = versions.has(name, look, condition.version);
  }
  if (isAsAsked === true) return;
  const message = `${quoteName(name)} has another version than the one asked for; start over with the new one`;
  throw new TransferError('VERSION_MISMATCH', message, { version: versions.of(name, look) });
}

/** Sees to it that the digest of what is there is known; it is the same then as it was. */
async function withDigest(
  { root, rootUse, versions }: UploadContext,
  name: string,
  { entry, look, parent }: Found,
): Promise<EntryStats> {
  const opened = await openRegularFile(parent, entry, name, root.device);
  const file = new LocalFile(parseName(name), opened, { root, use: rootUse }, versions);
  try {
    await file.addDigest();
    await file.verifyUnchanged();
  } finally {
    await file.close();
  }
  // What is to be replaced is what was looked at, and what was read.
  if (identityVersionOf(opened.stats) === look.identity) return look;
  throw new TransferError('FILE_CHANGED', `${quoteName(name)} changed meanwhile; ask again`);
}

/** For `checkCondition`. */
export function foundAt({ entry, parent, stats }: Target): Found | undefined {
  return stats === undefined ? undefined : { entry, parent, look: entryStatsOf(stats) };
}

/** To a file system that ignores case, another file may have the name. Throws ALREADY_EXISTS then. */
export async function refuseOtherSpelling(
  { entry, parent }: Pick<Target, 'entry' | 'parent'>,
  name: string,
): Promise<void> {
  const spelling = await otherSpelling(parent.pathOf(entry));
  if (spelling === undefined) return;
  throw new TransferError(
    'ALREADY_EXISTS',
    `${quoteName(name)} is there as ${quoteName(spelling)}, which is the same name to the file system of the server; choose another name`,
  );
}

async function lookAt(
  { fs, root }: UploadContext,
  name: string,
  { entry, parent }: Place,
): Promise<BigIntStats | undefined> {
  let stats: BigIntStats;
  try {
    stats = await fs.lstat(parent.pathOf(entry));
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
  const obstacle = fileObstacle(stats, root.device);
  if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(name)} ${obstacle}`);
  return stats;
}

/** Makes `component` in `parent`, if it is not there. Throws system errors. */
export async function makeOnTheWay(
  { fs }: UploadContext,
  parent: Directory,
  component: string,
): Promise<void> {
  try {
    await fs.mkdir(parent.pathOf(component), DIRECTORY_MODE);
  } catch (reason) {
    if (errnoOf(reason) !== 'EEXIST') throw reason;
  }
}

/** What an error on the way to a name, or at it, means to a writer. */
export function toTargetError(reason: unknown, name: string): TransferError {
  const error = toWriteError(reason, name);
  // A file in the place of a directory means NOT_FOUND to a reader, but is in the way of a writer.
  const isInTheWay = error.code === 'NOT_FOUND' && errnoOf(error.cause) === 'ENOTDIR';
  return isInTheWay ? new TransferError('NOT_A_FILE', error.message, { cause: reason }) : error;
}
