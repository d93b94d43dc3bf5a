/** One download at a time for each part. */
import { TransferError } from '../base/errors.ts';
import { FileLock, type LockHolder } from '../base/file-lock.ts';
import { isOfThisHost } from '../base/process-identity.ts';

/**
 * The lock at `path`. One of another host is respected: homes on a network are
 * common, and a person is there who can remove it.
 *
 * @throws TransferError LOCAL_IO, naming the holder, when somebody else has it; system errors pass through.
 */
export function lockPart(path: string): Promise<FileLock> {
  return FileLock.acquire(path, (holder) => heldBy(path, holder));
}

function heldBy(path: string, holder: LockHolder): TransferError {
  const where = isOfThisHost(holder) ? '' : ` on ${holder.host}`;
  return new TransferError(
    'LOCAL_IO',
    `process ${holder.pid}${where} is already downloading to this file; wait for it, or remove ${path} if it is gone`,
  );
}
