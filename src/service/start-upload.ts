import type { StartUploadRequest, StartUploadResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import type { AdmittedCall } from './prelude/admitted-call.ts';
import { specOf, startedResponse } from './upload-fields.ts';

/** StartUpload: a new upload, to be filled by any number of UploadFile calls. */
export async function startUpload(
  context: ServiceContext,
  request: StartUploadRequest,
  { identity }: AdmittedCall,
): Promise<StartUploadResponse> {
  const upload = await context.uploads.start(specOf(request), identity.address);
  return startedResponse(upload, context.chunk.maxSize);
}
