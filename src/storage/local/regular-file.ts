/**
 * Stats and opens regular files only. An opened file is checked again through its
 * descriptor, which cannot be swapped for another inode.
 */
import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { TransferError } from '../../base/errors.ts';
import { OPEN_FILE_FLAGS } from '../../base/files/open-flags.ts';
import { settledStats } from '../../base/files/settled-stats.ts';
import { quoteName } from '../quoted-name.ts';
import { closeDescriptor, openDescriptor } from './descriptor.ts';
import type { Directory } from './directory.ts';
import { fileObstacle } from './obstacle.ts';

export interface OpenRegularFile {
  readonly fd: number;
  readonly stats: BigIntStats;
}

/**
 * A look at `entry` of `parent`, which the peer calls `name`.
 *
 * @throws a system error, or TransferError NOT_A_FILE.
 */
export async function statRegularFile(
  parent: Directory,
  entry: string,
  name: string,
  device: bigint,
): Promise<BigIntStats> {
  return requireRegularFile(await lstat(parent.pathOf(entry), { bigint: true }), name, device);
}

/** Opens `entry` of `parent` for reading; the caller closes the descriptor. Throws as `statRegularFile`. */
export async function openRegularFile(
  parent: Directory,
  entry: string,
  name: string,
  device: bigint,
): Promise<OpenRegularFile> {
  // Checked before the open, because opening a device has effects: a watchdog arms, a tape rewinds.
  // Checked again after, because the entry may have been swapped in between.
  await statRegularFile(parent, entry, name, device);
  const fd = await openDescriptor(parent.pathOf(entry), OPEN_FILE_FLAGS);
  try {
    return { fd, stats: requireRegularFile(await settledStats(fd), name, device) };
  } catch (reason) {
    await closeDescriptor(fd);
    throw reason;
  }
}

function requireRegularFile(stats: BigIntStats, name: string, device: bigint): BigIntStats {
  const obstacle = fileObstacle(stats, device);
  if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(name)} ${obstacle}`);
  return stats;
}
