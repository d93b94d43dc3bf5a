import { TransferError } from '../base/errors.ts';
import type { AbortUploadRequest, AbortUploadResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';

/** AbortUpload: discards an upload; one that is gone already is no error. */
export async function abortUpload(
  context: ServiceContext,
  request: AbortUploadRequest,
): Promise<AbortUploadResponse> {
  try {
    const upload = await context.uploads.find(request.uploadId);
    await upload.abort();
  } catch (reason) {
    if (TransferError.from(reason).code !== 'UPLOAD_NOT_FOUND') throw reason;
  }
  return {};
}
