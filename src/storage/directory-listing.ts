/**
 * One directory opened for listing: its descriptor and its sorted names. The
 * names of one directory are all in memory at once, as sorting needs them.
 * `readdir` has them sorted in a thread of libuv, by whatever order it likes;
 * sorting them again here costs 3 ms for 200,000 names.
 */
import { lstat, readdir } from 'node:fs/promises';
import { TransferError } from '../base/errors.ts';
import type { Directory } from './directory.ts';
import { directoryObstacle } from './obstacle.ts';
import { quoteName } from './quoted-name.ts';

/** A directory that is being listed. Whoever gets one closes its `directory`. */
export interface DirectoryListing {
  readonly directory: Directory;
  /** Sorted; as `entry-name.ts` has them. */
  readonly rawEntries: readonly string[];
}

/** Opens the directory `entry` of `parent` and reads its names. Throws system errors. */
export async function openListing(parent: Directory, entry: string): Promise<DirectoryListing> {
  const directory = await parent.enter(entry);
  try {
    const rawEntries = await readdir(directory.pathOf('.'), 'latin1');
    return { directory, rawEntries: rawEntries.sort() };
  } catch (reason) {
    await directory.close();
    throw reason;
  }
}

/**
 * As `openListing`, for the directory `prefix` that a peer asked for.
 *
 * @throws TransferError NOT_A_FILE when it cannot be listed, and system errors.
 */
export async function openPrefixListing(
  parent: Directory,
  entry: string,
  prefix: string,
  device: bigint,
): Promise<DirectoryListing> {
  const obstacle = directoryObstacle(await lstat(parent.pathOf(entry), { bigint: true }), device);
  if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(prefix)} ${obstacle}`);
  return await openListing(parent, entry);
}
