/**
 * Binds the handlers to a gRPC server: errors become status here, and each
 * request gets its line in the log.
 *
 * Invariant: no handler's promise is left without a catch; an unhandled
 * rejection would end the process and leave the client waiting.
 */
import type {
  handleClientStreamingCall,
  handleUnaryCall,
  Server,
  ServerWritableStream,
  ServiceDefinition,
  StatusObject,
} from '@grpc/grpc-js';
import { TransferError } from '../base/errors.ts';
import type { PlaceHolder } from '../base/places.ts';
import { BulkCall, FramedRun, unframed } from '../flow/calls/bulk-call.ts';
import { serverStreamOf } from '../flow/calls/call-stream.ts';
import { UploadCall } from '../flow/calls/upload-call.ts';
import type { UploadFileRequest, UploadFileResponse } from '../wire/messages.ts';
import { malformedRequest, SERVICE_NAME, transferService } from '../wire/service.ts';
import { statusOf } from '../wire/status.ts';
import { abortUpload } from './abort-upload.ts';
import type { CallPlace } from './call-places.ts';
import type { RequestFacts, ServiceContext } from './context.ts';
import { deleteFile } from './delete-file.ts';
import { finishUpload } from './finish-upload.ts';
import { getFileSize } from './get-file-size.ts';
import { getUploadStatus } from './get-upload-status.ts';
import { listFiles } from './list-files.ts';
import { RequestLog } from './request-log.ts';
import { startUpload } from './start-upload.ts';
import { statFile } from './stat-file.ts';
import { streamFile } from './stream-file.ts';
import { uploadFile } from './upload-file.ts';

/** Adds TransferService to `server`. */
export function bindTransferService(server: Server, context: ServiceContext): void {
  server.addService(serviceWithRuns(), {
    GetFileSize: unary(context, 'GetFileSize', getFileSize),
    StatFile: unary(context, 'StatFile', statFile),
    ListFiles: streaming(context, 'ListFiles', (request) => request.prefix, listFiles),
    StreamFile: streaming(context, 'StreamFile', (request) => request.fileName, streamFile),
    StartUpload: announcing(context, () => true, unary(context, 'StartUpload', startUpload)),
    UploadFile: uploading(context),
    GetUploadStatus: announcing(
      context,
      ({ sync }) => sync,
      unary(context, 'GetUploadStatus', getUploadStatus),
    ),
    FinishUpload: unary(context, 'FinishUpload', finishUpload),
    AbortUpload: unary(context, 'AbortUpload', abortUpload),
    DeleteFile: unary(context, 'DeleteFile', deleteFile),
  });
}

/**
 * The service definition, with a StreamFile that also takes runs of frames. What
 * is no request becomes a TransferError in its place: thrown out of here it would
 * end the call with a text of grpc-js and without a line in the log.
 */
function serviceWithRuns(): ServiceDefinition {
  const methods = Object.entries(transferService as ServiceDefinition).map(([name, definition]) => {
    const { requestDeserialize } = definition;
    const deserialize = (bytes: Buffer): object => {
      try {
        return requestDeserialize(bytes);
      } catch (cause) {
        return malformedRequest(`${name}Request`, cause);
      }
    };
    return [name, { ...definition, requestDeserialize: deserialize }];
  });
  const service = Object.fromEntries(methods) as ServiceDefinition;
  const { StreamFile } = service as { StreamFile: ServiceDefinition[string] };
  const { responseSerialize } = StreamFile;
  StreamFile.responseSerialize = (value: object) =>
    value instanceof FramedRun ? unframed(value) : responseSerialize(value);
  return service;
}

/** Throws what stands in place of a request that was none. */
function assertRequest(request: unknown): void {
  if (request instanceof TransferError) throw request;
}

function unary<Request extends { fileName?: string; uploadId?: string }, Response>(
  context: ServiceContext,
  method: string,
  handle: (context: ServiceContext, request: Request, place: CallPlace) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const { fileName = '', uploadId } = call.request;
    const facts: RequestFacts = { file: fileName, ...(uploadId === undefined ? {} : { upload: uploadId }) };
    context.calls.begin();
    admitted(context, method, call, facts, (place) => {
      assertRequest(call.request);
      return handle(context, call.request, place);
    })
      .then(
        (response) => callback(null, response),
        (error) => callback(statusOf(error)),
      )
      .finally(() => context.calls.end());
  };
}

/** What stands in front of every call: its place, and its line in the log. Rejects with a TransferError, also where there is no place. */
async function admitted<Result>(
  { logger, places }: ServiceContext,
  method: string,
  call: { getPeer(): string },
  facts: RequestFacts,
  handle: (place: CallPlace) => Promise<Result>,
  holder?: PlaceHolder,
): Promise<Result> {
  const log = new RequestLog(logger, method, call.getPeer(), facts);
  let place: CallPlace | undefined;
  try {
    place = places.hold(call, `/${SERVICE_NAME}/${method}`, holder);
    const result = await handle(place);
    log.ended();
    return result;
  } catch (reason) {
    throw log.failed(reason);
  } finally {
    place?.letGo();
  }
}

/**
 * Who begins an upload, or asks for a sync to resume one, is about to send: its
 * windows have their first size before the first byte, not a round trip behind
 * it. One that only watches its upload would count as another stream.
 */
function announcing<Request, Response>(
  context: ServiceContext,
  announces: (request: Request) => boolean,
  handle: handleUnaryCall<Request, Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    if (announces(call.request)) context.uploadWindows.follow(serverStreamOf(call));
    handle(call, callback);
  };
}

function streaming<Request, Response>(
  context: ServiceContext,
  method: string,
  nameOf: (request: Request) => string | undefined,
  handle: (context: ServiceContext, call: BulkCall<Request, Response>, facts: RequestFacts) => Promise<void>,
): (call: ServerWritableStream<Request, Response>) => void {
  return (grpcCall) => {
    const call = new BulkCall<Request, Response>(grpcCall, context.zeroCopy, context.stallTimeoutMs);
    const facts: RequestFacts = { file: nameOf(call.request) ?? '' };
    const work = () => {
      assertRequest(call.request);
      return handle(context, call, facts);
    };
    untilClosed(context, call);
    admitted(context, method, grpcCall, facts, work, holderOf(context, call)).then(
      () => call.end(),
      (error) => endWithError(context, call, error),
    );
  };
}

function uploading(
  context: ServiceContext,
): handleClientStreamingCall<UploadFileRequest, UploadFileResponse> {
  const { requestDeserialize } = transferService.UploadFile as ServiceDefinition[string];
  return (grpcCall, respond) => {
    const call = new UploadCall(grpcCall, respond, requestDeserialize, {
      direct: context.directReads,
      maxChunkBytes: context.chunk.maxSize,
      stallTimeoutMs: context.stallTimeoutMs,
      windows: context.uploadWindows,
    });
    const facts: RequestFacts = { file: '' };
    const work = (place: CallPlace) => uploadFile(context, call, facts, place);
    untilClosed(context, call);
    admitted(context, 'UploadFile', grpcCall, facts, work, holderOf(context, call)).then(
      (response) => call.respond(response),
      (error) => endWithError(context, call, error),
    );
  };
}

/** A drain waits until the peer has the end of a transfer. */
function untilClosed({ calls }: ServiceContext, call: EndableCall): void {
  calls.begin();
  call.onClose(() => calls.end());
}

/** The place of a streaming call; who loses it has as long to tell the peer as one that stalled. */
function holderOf(context: ServiceContext, call: EndableCall): PlaceHolder {
  return {
    get movedBytes() {
      return call.movedBytes;
    },
    get isHeldUp() {
      return call.isHeldUp;
    },
    evict(error) {
      call.abandon(error);
      linger(context, call);
    },
    cut: () => call.reset(),
  };
}

/** A stalled peer cannot be told, and one that still sends may not listen: the status gets a while, then the stream is reset. */
function endWithError(context: ServiceContext, call: EndableCall, error: TransferError): void {
  if (call.isClosed) return;
  call.fail(statusOf(error));
  linger(context, call);
}

function linger({ stallLingerMs }: ServiceContext, call: EndableCall): void {
  const timer = setTimeout(() => call.reset(), stallLingerMs);
  call.onClose(() => clearTimeout(timer));
}

/** What a streaming call of either direction has for its end. */
interface EndableCall {
  readonly movedBytes: number;
  readonly isHeldUp: boolean;
  readonly isClosed: boolean;
  abandon(error: TransferError): void;
  fail(status: StatusObject): void;
  reset(): void;
  onClose(listener: () => void): void;
}
