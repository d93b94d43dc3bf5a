/** Gives a complete, durable partial file its final name; after a crash it has one or the other. */
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { cannotSyncDirectory } from '../../../base/files/directory-sync.ts';
import { otherSpelling } from '../../../base/files/spelling.ts';
import type { Logger } from '../../../base/logger.ts';
import { existsAlready, type TargetPaths } from './target-path.ts';

/** The partial file is already synced. Throws ALREADY_EXISTS when the target exists and must not be replaced, LOCAL_IO when it is there under another spelling. */
export async function publish(paths: TargetPaths, overwrite: boolean, logger: Logger): Promise<void> {
  if (overwrite) {
    // The lock of the partial file covers both spellings, so no other client publishes between this line and the next.
    await refuseOtherSpelling(paths.target);
    await rename(paths.partial, paths.target);
  } else await linkNew(paths);
  await syncDirectory(dirname(paths.target), logger);
}

/** Throws LOCAL_IO when `path` exists under another spelling. */
export async function refuseOtherSpelling(path: string): Promise<void> {
  const spelling = await otherSpelling(path);
  if (spelling === undefined) return;
  throw new TransferError(
    'LOCAL_IO',
    `${path} is there as ${spelling}, which is the same name to this file system; choose another place with -o`,
  );
}

/** `link` fails where `rename` would replace. */
async function linkNew(paths: TargetPaths): Promise<void> {
  try {
    await link(paths.partial, paths.target);
  } catch (reason) {
    throw errnoOf(reason) === 'EEXIST' ? existsAlready(paths.target) : reason;
  }
  await rm(paths.partial);
}

/** A directory that cannot be opened or synced is no failure: the file is complete. */
async function syncDirectory(path: string, logger: Logger): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (reason) {
    const errno = errnoOf(reason);
    if (errno !== 'EACCES' && errno !== 'EPERM' && !cannotSyncDirectory(reason)) throw reason;
    logger.debug({ path, reason: errno }, 'the directory cannot be synced; a power cut may undo the rename');
  }
}
