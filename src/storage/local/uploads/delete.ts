/** Removes a file or an empty directory of the store, durably. */
import assert from 'node:assert/strict';
import { lstat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { parseName } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import type { WriteCondition } from '../../upload-store.ts';
import { inParentOf } from '../directory-walk.ts';
import { directoryObstacle } from '../obstacle.ts';
import { withSuggestion } from '../suggestion.ts';
import { toWriteError } from './disk/write-error.ts';
import type { UploadContext } from './options.ts';
import { atTarget, checkCondition, foundAt } from './target.ts';

/** @throws TransferError NOT_FOUND, NOT_A_FILE, VERSION_MISMATCH, and those of writing. */
export async function deleteFile(
  context: UploadContext,
  name: string,
  condition: WriteCondition,
): Promise<void> {
  assert.notEqual(condition.kind, 'absent', 'what is deleted is there');
  try {
    await context.locks.names.run(name, () => removeFile(context, name, condition));
  } catch (reason) {
    throw isNotFound(reason) ? await suggesting(context, reason, name) : reason;
  }
}

async function removeFile(context: UploadContext, name: string, condition: WriteCondition): Promise<void> {
  await atTarget(context, name, 'enter', async (target) => {
    const found = foundAt(target);
    if (found === undefined) throw notFound(name);
    await checkCondition(context, condition, name, found);
    const { parent, entry } = target;
    try {
      await context.fs.unlink(parent.pathOf(entry));
    } catch (reason) {
      throw errnoOf(reason) === 'ENOENT' ? notFound(name) : reason;
    }
    context.versions.digests.kept.forget(name);
    await context.durability.directory(parent);
  });
}

function notFound(name: string, cause?: unknown): TransferError {
  return new TransferError('NOT_FOUND', `there is no ${quoteName(name)}`, { cause });
}

function isNotFound(reason: unknown): reason is TransferError {
  return reason instanceof TransferError && reason.code === 'NOT_FOUND';
}

function suggesting(
  { root, rootUse }: UploadContext,
  error: TransferError,
  name: string,
): Promise<TransferError> {
  return rootUse.use(() => withSuggestion(error, root.directory, parseName(name)));
}

/** @throws TransferError NOT_FOUND, NOT_A_FILE (it is no directory of the store), NOT_EMPTY, and those of writing. */
export async function deleteDirectory(context: UploadContext, name: string): Promise<void> {
  try {
    await context.locks.names.run(name, () => removeDirectory(context, name));
  } catch (reason) {
    throw toDirectoryError(reason, name);
  }
}

async function removeDirectory(
  { durability, fs, root, rootUse }: UploadContext,
  name: string,
): Promise<void> {
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
      return notFound(name, reason);
    default:
      return toWriteError(reason, name);
  }
}
