import type { DeleteFileRequest, DeleteFileResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';

/** DeleteFile: removes a file, any version of it or just one, or an empty directory. */
export async function deleteFile(
  context: ServiceContext,
  request: DeleteFileRequest,
): Promise<DeleteFileResponse> {
  const { directory, fileName, ifMatch } = request;
  if (directory) {
    await context.uploads.store.deleteDirectory(fileName);
    return {};
  }
  await context.uploads.store.delete(
    fileName,
    ifMatch === '' ? { kind: 'any' } : { kind: 'version', version: ifMatch },
  );
  return {};
}
