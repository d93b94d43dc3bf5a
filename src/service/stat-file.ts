import type { StatFileRequest, StatFileResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import { fileInfoOf } from './file-info.ts';

/** StatFile: what a file is, without its bytes. */
export async function statFile(context: ServiceContext, request: StatFileRequest): Promise<StatFileResponse> {
  return { file: fileInfoOf(await context.store.stat(request.fileName)) };
}
