/** Binds the methods of TransferService to their handlers. */
import type { Server } from '@grpc/grpc-js';
import type { GetUploadStatusRequest } from '../wire/messages.ts';
import { tolerantOf, transferService } from '../wire/service.ts';
import type { ServiceContext } from './context.ts';
import { deleteFile, getFileSize, makeDirectory, statFile } from './file-requests.ts';
import { announcing, exchanging, streaming, unary, uploading } from './handlers.ts';
import { listFiles } from './list-files.ts';
import type { CallPrelude } from './prelude/call-prelude.ts';
import { streamFile } from './range/stream-file.ts';
import { abortUpload, finishUpload, getUploadStatus, startUpload } from './uploads/upload-requests.ts';

/** Adds TransferService to `server`, behind the prelude. */
export function bindTransferService(server: Server, prelude: CallPrelude, context: ServiceContext): void {
  const handlers = {
    GetFileSize: unary(context, getFileSize),
    StatFile: unary(context, statFile),
    ListFiles: streaming(context, (request) => request.prefix, listFiles),
    StreamFile: streaming(context, (request) => request.fileName, streamFile),
    StartUpload: announcing(context, () => true, unary(context, startUpload)),
    UploadFile: uploading(context),
    GetUploadStatus: announcing(context, isResumed, unary(context, getUploadStatus)),
    FinishUpload: unary(context, finishUpload),
    AbortUpload: unary(context, abortUpload),
    DeleteFile: unary(context, deleteFile),
    MakeDirectory: unary(context, makeDirectory),
    Exchange: exchanging(context, prelude),
  };
  prelude.serve(server, tolerantOf(transferService), handlers, (_name, { requestStream, responseStream }) => {
    if (responseStream) return 'streams';
    return requestStream ? 'uploadStreams' : 'calls';
  });
}

function isResumed({ sync }: GetUploadStatusRequest): boolean {
  return sync;
}
