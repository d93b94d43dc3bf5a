import type { DeleteFileRequest, DeleteFileResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';

/** DeleteFile: removes a file, any version of it or just one. */
export async function deleteFile(
  context: ServiceContext,
  request: DeleteFileRequest,
): Promise<DeleteFileResponse> {
  const { fileName, ifMatch } = request;
  await context.uploads.store.delete(
    fileName,
    ifMatch === '' ? { kind: 'any' } : { kind: 'version', version: ifMatch },
  );
  return {};
}
