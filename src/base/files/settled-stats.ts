/**
 * Stats that every later write changes. Many file systems stamp changes in
 * steps of a clock tick: a second write in the same tick leaves no trace in the
 * inode. So the stats of a file written just now are taken again after that
 * tick, before its first byte is read. (Git calls the problem "racy";
 * Documentation/technical/racy-git.)
 *
 * File systems with multigrain timestamps, since Linux 6.13, need no wait
 * (Documentation/filesystems/multigrain-ts).
 */
import { type BigIntStats, fstat } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Two ticks of the slowest clock, CONFIG_HZ=100. */
export const TICK_MS = 20;

/** A file that is being written all the time is given up on: the next write changes the stamp. */
const MAX_LOOKS = 4;

/** File systems with FS_MGTIME since Linux 6.13, by the `f_type` of statfs(2): ext4, xfs, btrfs, tmpfs. */
const MULTIGRAIN_TYPES: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994]);
const MULTIGRAIN_KERNEL = [6, 13] as const;

const statOf: (fd: number, options: { bigint: true }) => Promise<BigIntStats> = promisify(fstat);

/** The stats of `fd`: any write behind them gives the file other ones. Throws system errors. */
export function settledStats(
  fd: number,
  stat: (fd: number) => Promise<BigIntStats> = (opened) => statOf(opened, { bigint: true }),
): Promise<BigIntStats> {
  return settledStatsOf(
    () => stat(fd),
    () => isStampedPrecisely(`/proc/self/fd/${fd}`),
  );
}

/** As `settledStats`, of a file that `stat` looks at. `isPrecise`: whether its file system needs no second look. */
export async function settledStatsOf(
  stat: () => Promise<BigIntStats>,
  isPrecise: () => Promise<boolean> = async () => false,
): Promise<BigIntStats> {
  for (let look = 1; ; look++) {
    const stats = await stat();
    const restMs = msUntilSettled(stats);
    if (restMs === 0 || look === MAX_LOOKS) return stats;
    if (await isPrecise()) return stats;
    await delay(restMs);
  }
}

/** How long until a later look cannot miss a write behind it; 0 for a look, just now, that gave settled `stats`. */
export function msUntilSettled({ ctimeMs }: BigIntStats): number {
  const ageMs = Date.now() - Number(ctimeMs);
  // A stamp from the future is another machine's clock; waiting does not help there.
  return ageMs < 0 ? 0 : Math.max(0, TICK_MS - ageMs);
}

/** Whether the file system that `path` is on stamps the first change behind a look precisely. */
export async function isStampedPrecisely(path: string): Promise<boolean> {
  if (process.platform !== 'linux' || !isMultigrainKernel(release())) return false;
  try {
    return MULTIGRAIN_TYPES.has((await statfs(path)).type);
  } catch {
    return false;
  }
}

/** @param version as `uname -r` says it */
export function isMultigrainKernel(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [firstMajor, firstMinor] = MULTIGRAIN_KERNEL;
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}
