/** Removes what there is of an upload, but not the file that it has become. */
import type { S3UploadContext } from './context.ts';
import { Ownership, unlessMissing } from './ownership.ts';
import { ledgerKey, parseSession, sessionKey } from './session.ts';

/**
 * The record goes first: an owner on another server finds out with its next ledger. Parts that are under way
 * meanwhile may stay behind the abort; the lifecycle rule of the bucket is for those.
 */
export async function discardSession(context: S3UploadContext, id: string): Promise<void> {
  const { bucket, keys, multipart } = context;
  const record = await bucket.get(sessionKey(keys, id)).catch(unlessMissing);
  const ownership = new Ownership(bucket, keys, id);
  const { epochs } = await ownership.look();
  const { uploadId } = await ownership.read(epochs);
  await bucket.delete(sessionKey(keys, id)).catch(unlessMissing);
  if (record !== undefined && uploadId !== undefined)
    await multipart.abort(keys.ofFile(parseSession(record).name), uploadId).catch(unlessMissing);
  for (const epoch of epochs) await bucket.delete(ledgerKey(keys, id, epoch)).catch(unlessMissing);
}
