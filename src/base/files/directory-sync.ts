/** Which file systems cannot make the entries of a directory durable. */
import { errnoOf } from '../errors.ts';

/** Results of fsync(2) on a directory of a network or user file system that supports none. EIO is a real failure. */
const CANNOT_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'EBADF', 'EISDIR', 'ENOSYS', 'ENOTSUP']);

/** Whether an fsync failed only because directories cannot be synced there. */
export function cannotSyncDirectory(reason: unknown): boolean {
  return CANNOT_SYNC.has(errnoOf(reason) ?? '');
}
