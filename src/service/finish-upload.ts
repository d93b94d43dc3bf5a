import type { FinishUploadRequest, FinishUploadResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import { fileInfoOf } from './file-info.ts';
import { expectedOf } from './upload-fields.ts';

/** FinishUpload: the upload becomes the file; again and again with the same result. */
export async function finishUpload(
  context: ServiceContext,
  request: FinishUploadRequest,
): Promise<FinishUploadResponse> {
  const upload = await context.uploads.find(request.uploadId, request.fileName);
  return { file: fileInfoOf(await upload.finish(expectedOf(request.expected))) };
}
