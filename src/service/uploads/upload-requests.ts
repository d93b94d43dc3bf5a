/** The unary calls about an upload. Bytes come with UploadFile. */
import { TransferError } from '../../base/errors.ts';
import type {
  AbortUploadRequest,
  AbortUploadResponse,
  FinishUploadRequest,
  FinishUploadResponse,
  GetUploadStatusRequest,
  GetUploadStatusResponse,
  StartUploadRequest,
  StartUploadResponse,
} from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import { fileInfoOf } from '../file-info.ts';
import type { AdmittedCall } from '../prelude/admitted-call.ts';
import { expectedOf, specOf, startedResponse, statusResponse } from './upload-fields.ts';

/** StartUpload: a new upload, to be filled by any number of UploadFile calls. */
export async function startUpload(
  context: ServiceContext,
  request: StartUploadRequest,
  { owner }: AdmittedCall,
): Promise<StartUploadResponse> {
  const upload = await context.uploads.start(specOf(request), owner);
  return startedResponse(upload, context.chunk.maxSize);
}

/** GetUploadStatus: how far an upload has come, durably. */
export async function getUploadStatus(
  context: ServiceContext,
  request: GetUploadStatusRequest,
): Promise<GetUploadStatusResponse> {
  const upload = await context.uploads.find(request.uploadId, request.fileName);
  if (request.sync) await upload.sync();
  return statusResponse(upload, context.chunk.maxSize);
}

/** FinishUpload: the upload becomes the file; again and again with the same result. */
export async function finishUpload(
  context: ServiceContext,
  request: FinishUploadRequest,
): Promise<FinishUploadResponse> {
  const upload = await context.uploads.find(request.uploadId, request.fileName);
  return { file: fileInfoOf(await context.uploads.finish(upload, expectedOf(request.expected))) };
}

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
