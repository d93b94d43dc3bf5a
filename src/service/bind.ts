/**
 * Binds the handlers to a gRPC server: errors become status here, and each
 * request gets its line in the log.
 *
 * Invariant: no handler's promise is left without a catch; an unhandled
 * rejection would end the process and leave the client waiting.
 */
import type { handleUnaryCall, Server, ServerWritableStream, ServiceDefinition } from '@grpc/grpc-js';
import type { TransferError } from '../base/errors.ts';
import { BulkCall, FramedRun, unframed } from '../flow/bulk-call.ts';
import { transferService } from '../wire/service.ts';
import { statusOf } from '../wire/status.ts';
import type { RequestFacts, ServiceContext } from './context.ts';
import { getFileSize } from './get-file-size.ts';
import { listFiles } from './list-files.ts';
import { RequestLog } from './request-log.ts';
import { statFile } from './stat-file.ts';
import { streamFile } from './stream-file.ts';

/** Adds TransferService to `server`. */
export function bindTransferService(server: Server, context: ServiceContext): void {
  server.addService(serviceWithRuns(), {
    GetFileSize: unary(context, 'GetFileSize', getFileSize),
    StatFile: unary(context, 'StatFile', statFile),
    ListFiles: streaming(context, 'ListFiles', (request) => request.prefix, listFiles),
    StreamFile: streaming(context, 'StreamFile', (request) => request.fileName, streamFile),
  });
}

/** The service definition, with a StreamFile that also takes runs of frames. */
function serviceWithRuns(): ServiceDefinition {
  const definition = transferService.StreamFile as ServiceDefinition[string];
  const { responseSerialize } = definition;
  return {
    ...(transferService as ServiceDefinition),
    StreamFile: {
      ...definition,
      responseSerialize: (value: object) =>
        value instanceof FramedRun ? unframed(value) : responseSerialize(value),
    },
  };
}

function unary<Request extends { fileName: string }, Response>(
  context: ServiceContext,
  method: string,
  handle: (context: ServiceContext, request: Request) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const facts: RequestFacts = { file: call.request.fileName };
    const log = new RequestLog(context.logger, method, call.getPeer(), facts);
    context.calls.begin();
    handle(context, call.request)
      .then(
        (response) => {
          log.ended();
          callback(null, response);
        },
        (reason) => callback(statusOf(log.failed(reason))),
      )
      .finally(() => context.calls.end());
  };
}

function streaming<Request, Response>(
  context: ServiceContext,
  method: string,
  nameOf: (request: Request) => string,
  handle: (context: ServiceContext, call: BulkCall<Request, Response>, facts: RequestFacts) => Promise<void>,
): (call: ServerWritableStream<Request, Response>) => void {
  return (grpcCall) => {
    const call = new BulkCall<Request, Response>(grpcCall, context.zeroCopy, context.stallTimeoutMs);
    const facts: RequestFacts = { file: nameOf(call.request) };
    const log = new RequestLog(context.logger, method, grpcCall.getPeer(), facts);
    context.calls.begin();
    call.onClose(() => context.calls.end());
    handle(context, call, facts).then(
      () => {
        log.ended();
        call.end();
      },
      (reason) => endWithError(context, call, log.failed(reason)),
    );
  };
}

/** A stalled peer cannot be told: what is queued before the status gets a while, then the stream is reset. */
function endWithError<Request, Response>(
  context: ServiceContext,
  call: BulkCall<Request, Response>,
  error: TransferError,
): void {
  if (call.isClosed) return;
  call.fail(statusOf(error));
  const linger = setTimeout(() => call.reset(), context.stallLingerMs);
  call.onClose(() => clearTimeout(linger));
}
