import type { GetUploadStatusRequest, GetUploadStatusResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import { statusResponse } from './upload-fields.ts';

/** GetUploadStatus: how far an upload has come, durably. */
export async function getUploadStatus(
  context: ServiceContext,
  request: GetUploadStatusRequest,
): Promise<GetUploadStatusResponse> {
  const upload = await context.uploads.find(request.uploadId, request.fileName);
  if (request.sync) await upload.sync();
  return statusResponse(upload, context.chunk.maxSize);
}
