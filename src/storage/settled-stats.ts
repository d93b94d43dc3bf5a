/**
 * Stats that a later write cannot hide behind. Kernels before 6.13 stamp
 * changes in steps of a clock tick: a write in the tick of the last one leaves
 * no trace in the inode. So a file that was written just now is looked at again
 * once that tick is over, before its first byte is read; any write after that
 * moves the stamp. (Git calls the problem "racy"; Documentation/technical/racy-git.)
 */
import type { BigIntStats } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { statDescriptor } from './descriptor.ts';

/** Two ticks of the slowest clock, CONFIG_HZ=100. */
const TICK_MS = 20;

/** A file that somebody keeps writing to is given up on: its next write tells. */
const MAX_LOOKS = 4;

/** The stats of `fd`, a clock tick or more after the last write they tell of. */
export async function settledStats(
  fd: number,
  stat: (fd: number) => Promise<BigIntStats> = statDescriptor,
): Promise<BigIntStats> {
  for (let look = 1; ; look++) {
    const stats = await stat(fd);
    const ageMs = Date.now() - Number(stats.ctimeMs);
    // A stamp from the future is another machine's clock; waiting does not help there.
    if (ageMs >= TICK_MS || ageMs < 0 || look === MAX_LOOKS) return stats;
    await delay(TICK_MS - ageMs);
  }
}
