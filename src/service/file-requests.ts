/** The unary calls about one file. */
import type {
  DeleteFileRequest,
  DeleteFileResponse,
  FileInfo,
  GetFileSizeRequest,
  GetFileSizeResponse,
  MakeDirectoryRequest,
  MakeDirectoryResponse,
  StatFileRequest,
  StatFileResponse,
} from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import { fileInfoOf } from './file-info.ts';

/** GetFileSize: the size of one file, and the version that has it. */
export async function getFileSize(
  context: ServiceContext,
  request: GetFileSizeRequest,
): Promise<GetFileSizeResponse> {
  const { size, version } = await context.store.stat(request.fileName);
  return { size, version };
}

/** StatFile: what a file is, without its bytes. */
export async function statFile(context: ServiceContext, request: StatFileRequest): Promise<StatFileResponse> {
  return { file: await statInfo(context, request) };
}

/** @param signal aborts when the peer does not wait any more */
export async function statInfo(
  { store }: ServiceContext,
  { digest, fileName }: StatFileRequest,
  signal?: AbortSignal,
): Promise<FileInfo> {
  return fileInfoOf(await store.stat(fileName, signal === undefined ? { digest } : { digest, signal }));
}

/** DeleteFile: removes a file, any version of it or just one, or an empty directory. */
export async function deleteFile(
  context: ServiceContext,
  { directory, fileName, ifMatch }: DeleteFileRequest,
): Promise<DeleteFileResponse> {
  const { store } = context.uploads;
  if (directory) await store.deleteDirectory(fileName);
  else await store.delete(fileName, ifMatch === '' ? { kind: 'any' } : { kind: 'version', version: ifMatch });
  return {};
}

/** MakeDirectory: makes a directory and those above it; one that is there already is no error. */
export async function makeDirectory(
  context: ServiceContext,
  { fileName, mode }: MakeDirectoryRequest,
): Promise<MakeDirectoryResponse> {
  await context.uploads.store.makeDirectory(fileName, mode);
  return {};
}
