/** Removes a file of the store, durably. */
import assert from 'node:assert/strict';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { parseName } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import type { WriteCondition } from '../../upload-store.ts';
import { withSuggestion } from '../suggestion.ts';
import type { UploadContext } from './options.ts';
import { atTarget, checkCondition } from './target.ts';

/** @throws TransferError NOT_FOUND, NOT_A_FILE, VERSION_MISMATCH, and those of writing. */
export async function deleteFile(
  context: UploadContext,
  name: string,
  condition: WriteCondition,
): Promise<void> {
  assert.notEqual(condition.kind, 'absent', 'what is deleted is there');
  try {
    await context.names.run(name, () => removeFile(context, name, condition));
  } catch (reason) {
    throw isNotFound(reason) ? await suggesting(context, reason, name) : reason;
  }
}

async function removeFile(context: UploadContext, name: string, condition: WriteCondition): Promise<void> {
  await atTarget(context, name, 'enter', async ({ parent, entry, stats }) => {
    if (stats === undefined) throw notFound(name);
    checkCondition(condition, name, stats);
    try {
      await context.fs.unlink(parent.pathOf(entry));
    } catch (reason) {
      throw errnoOf(reason) === 'ENOENT' ? notFound(name) : reason;
    }
    await context.durability.directory(parent);
  });
}

function notFound(name: string): TransferError {
  return new TransferError('NOT_FOUND', `there is no ${quoteName(name)}`);
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
