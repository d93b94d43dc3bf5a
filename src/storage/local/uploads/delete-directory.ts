/** Removes an empty directory of the store, durably. */
import { lstat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { parseName } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import { inParentOf } from '../directory-walk.ts';
import { directoryObstacle } from '../obstacle.ts';
import { toWriteError } from './disk/write-error.ts';
import type { UploadContext } from './options.ts';

/** @throws TransferError NOT_FOUND, NOT_A_FILE (it is no directory of the store), NOT_EMPTY, and those of writing. */
export async function deleteDirectory(
  { durability, fs, root, rootUse }: UploadContext,
  name: string,
): Promise<void> {
  try {
    await rootUse.use(() =>
      inParentOf(root.directory, parseName(name), async (parent, entry) => {
        const path = parent.pathOf(entry);
        const obstacle = directoryObstacle(await lstat(path, { bigint: true }), root.device);
        if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(name)} ${obstacle}`);
        // Whatever comes into it before this makes the call fail: nothing but an empty directory is removed.
        await fs.rmdir(path);
        await durability.directory(parent);
      }),
    );
  } catch (reason) {
    throw toDirectoryError(reason, name);
  }
}

function toDirectoryError(reason: unknown, name: string): TransferError {
  switch (errnoOf(reason)) {
    case 'ENOTEMPTY':
    case 'EEXIST':
      return new TransferError(
        'NOT_EMPTY',
        `${quoteName(name)} is not empty; it may hold what is not listed, such as symbolic links`,
        { cause: reason },
      );
    case 'ENOENT':
      return new TransferError('NOT_FOUND', `there is no ${quoteName(name)}`, { cause: reason });
    default:
      return toWriteError(reason, name);
  }
}
