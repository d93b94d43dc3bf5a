import type { GetFileSizeRequest, GetFileSizeResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';

/** GetFileSize: the size of one file, and the version that has it. */
export async function getFileSize(
  context: ServiceContext,
  request: GetFileSizeRequest,
): Promise<GetFileSizeResponse> {
  const { size, version } = await context.store.stat(request.fileName);
  return { size, version };
}
