/** One download at a time for each partial file. */
import { TransferError } from '../../../base/errors.ts';
import { FileLock, type LockHolder } from '../../../base/files/file-lock.ts';
import { isOfThisHost } from '../../../base/files/process-identity.ts';
import { LOCK_WATCH_MS } from '../../../base/limits.ts';
import type { Logger } from '../../../base/logger.ts';

/**
 * The lock at `path`. Homes on a network are common: a holder on another host is
 * respected for as long as it lives, and waited for only to find that out.
 *
 * @throws TransferError LOCAL_IO, naming the holder, when somebody else has it; system errors pass through.
 */
export function lockPartialFile(path: string, logger: Logger): Promise<FileLock> {
  return FileLock.acquire(path, {
    refuse: (holder) => heldBy(path, holder),
    onWatch: ({ host, pid }) => logger.info({ path }, watching(pid, host)),
  });
}

function watching(pid: number, host: string): string {
  const seconds = LOCK_WATCH_MS / 1000;
  return `waiting ${seconds} s to see whether process ${pid} on ${host}, which was downloading to this file, still runs`;
}

function heldBy(path: string, holder: LockHolder): TransferError {
  const where = isOfThisHost(holder) ? '' : ` on ${holder.host}`;
  return new TransferError(
    'LOCAL_IO',
    `process ${holder.pid}${where} is already downloading to this file; wait for it, or remove ${path} if that process is gone`,
  );
}
