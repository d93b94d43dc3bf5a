/**
 * The name that an upload publishes or a delete removes: the walk to it, the
 * present entry, and whether that may be replaced.
 */
import type { BigIntStats } from 'node:fs';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { parseName } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import type { WriteCondition } from '../../upload-store.ts';
import type { Directory } from '../directory.ts';
import { inParentOf } from '../directory-walk.ts';
import { versionOf } from '../file-identity.ts';
import { fileObstacle } from '../obstacle.ts';
import { toWriteError } from './disk/write-error.ts';
import type { UploadContext } from './options.ts';

/** What to do with the directories on the way to a target. */
export type OnTheWay = 'enter' | 'make' | 'sync';

/** As `mkdir`: less the umask of the server. */
const DIRECTORY_MODE = 0o777;

export interface Target {
  readonly parent: Directory;
  readonly entry: string;
  /** What is there now; undefined for nothing. */
  readonly stats: BigIntStats | undefined;
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
  const { root, rootUse } = context;
  const beforeEnter = async (parent: Directory, component: string) => {
    if (onTheWay === 'make') await makeDirectory(context, parent, component);
    if (onTheWay !== 'enter') await context.durability.directory(parent);
  };
  try {
    return await rootUse.use(() =>
      inParentOf(
        root.directory,
        parseName(name),
        async (parent, entry) => use({ parent, entry, stats: await lookAt(context, name, parent, entry) }),
        beforeEnter,
      ),
    );
  } catch (reason) {
    throw toTargetError(reason, name);
  }
}

/** @throws TransferError ALREADY_EXISTS, VERSION_MISMATCH */
export function checkCondition(
  condition: WriteCondition,
  name: string,
  stats: BigIntStats | undefined,
): void {
  if (condition.kind === 'any' || (condition.kind === 'absent' && stats === undefined)) return;
  if (condition.kind === 'absent') {
    throw new TransferError(
      'ALREADY_EXISTS',
      `${quoteName(name)} exists already; choose another name or overwrite it`,
    );
  }
  if (stats === undefined) {
    throw new TransferError(
      'VERSION_MISMATCH',
      `there is no ${quoteName(name)} any more; start over without a version`,
    );
  }
  const version = versionOf(stats);
  if (version === condition.version) return;
  const message = `${quoteName(name)} has another version than the one asked for; start over with the new one`;
  throw new TransferError('VERSION_MISMATCH', message, { version });
}

async function lookAt(
  { fs, root }: UploadContext,
  name: string,
  parent: Directory,
  entry: string,
): Promise<BigIntStats | undefined> {
  const { dev } = await fs.lstat(parent.pathOf('.'));
  if (dev !== root.device) throw toWriteError({ code: 'EXDEV' }, name);
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

async function makeDirectory({ fs }: UploadContext, parent: Directory, component: string): Promise<void> {
  try {
    await fs.mkdir(parent.pathOf(component), DIRECTORY_MODE);
  } catch (reason) {
    if (errnoOf(reason) !== 'EEXIST') throw reason;
  }
}

function toTargetError(reason: unknown, name: string): TransferError {
  const error = toWriteError(reason, name);
  // A file in the place of a directory means NOT_FOUND to a reader, but is in the way of a writer.
  const isInTheWay = error.code === 'NOT_FOUND' && errnoOf(error.cause) === 'ENOTDIR';
  return isInTheWay ? new TransferError('NOT_A_FILE', error.message, { cause: reason }) : error;
}
