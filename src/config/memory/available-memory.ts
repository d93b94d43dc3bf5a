/** How much memory there is for this process. */
import { totalmem } from 'node:os';

/** What this process may use, in bytes: the machine's memory or a smaller limit of its cgroup. */
export function availableMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem();
}
