/** Which file systems cannot make the entries of a directory durable. */
import { errnoOf } from '../errors.ts';

/** Of fsync(2) on a directory of a network or user file system; nothing more can be had from it. EIO is not among them. */
const CANNOT_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'EBADF', 'EISDIR', 'ENOSYS', 'ENOTSUP']);

/** Whether an fsync failed because there is none for directories, and not because anything was lost. */
export function cannotSyncDirectory(reason: unknown): boolean {
  return CANNOT_SYNC.has(errnoOf(reason) ?? '');
}
