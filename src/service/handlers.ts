/**
 * The kinds of handlers, as the prelude calls them: a promise becomes the answer
 * of a call, and an error its status.
 *
 * Invariant: no handler's promise is left without a catch; an unhandled
 * rejection would end the process and leave the client waiting.
 */
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  sendUnaryData,
} from '@grpc/grpc-js';
import { ByteQuota } from '../base/async/byte-quota.ts';
import { TransferError } from '../base/errors.ts';
import { exchangeQuotaBytes, maxExchangeMessageBytes } from '../base/limits.ts';
import { BulkCall } from '../flow/calls/bulk-call.ts';
import { serverStreamOf } from '../flow/calls/call-stream.ts';
import { ExchangeCall } from '../flow/calls/exchange-call.ts';
import { UploadCall } from '../flow/calls/upload-call.ts';
import type {
  ExchangeRequest,
  ExchangeResponse,
  UploadFileRequest,
  UploadFileResponse,
} from '../wire/messages.ts';
import { transferService } from '../wire/service.ts';
import { statusOf } from '../wire/status.ts';
import { endWithError, holderOf } from './call-end.ts';
import { contextOf, type ServiceContext } from './context.ts';
import { Exchange } from './exchange/exchange.ts';
import type { AdmittedCall } from './prelude/admitted-call.ts';
import type { CallPrelude } from './prelude/call-prelude.ts';
import type { RequestFacts } from './prelude/request-log.ts';
import { uploadFile } from './uploads/upload-file.ts';

type UnaryHandler<Request, Response> = (
  admitted: AdmittedCall,
  call: ServerUnaryCall<Request, Response>,
  respond: sendUnaryData<Response>,
) => void;

type StreamHandler<Request, Response> = (
  admitted: AdmittedCall,
  call: ServerWritableStream<Request, Response>,
) => void;

type ExchangeHandler = (admitted: AdmittedCall, call: ServerDuplexStream<never, ExchangeResponse>) => void;

type UploadHandler = (
  admitted: AdmittedCall,
  call: ServerReadableStream<UploadFileRequest, UploadFileResponse>,
  respond: sendUnaryData<UploadFileResponse>,
) => void;

/** One request, one answer. */
export function unary<Request extends { fileName?: string; uploadId?: string }, Response>(
  context: ServiceContext,
  handle: (context: ServiceContext, request: Request, admitted: AdmittedCall) => Promise<Response>,
): UnaryHandler<Request, Response> {
  return (admitted, { request }, respond) => {
    const { fileName = '', uploadId } = request;
    admitted.facts.file = fileName;
    if (uploadId !== undefined) admitted.facts.upload = uploadId;
    admitted.hold();
    settle(
      admitted,
      () => handle(contextOf(context, admitted), whole(request), admitted),
      (response) => respond(null, response),
      (error) => respond(statusOf(error)),
    );
  };
}

/**
 * A peer that begins an upload, or asks for a sync to resume one, is about to
 * send: its windows get their first size before the first byte, not a round trip
 * later. A peer that only asks for the status would count as another stream.
 */
export function announcing<Request, Response>(
  context: ServiceContext,
  announces: (request: Request) => boolean,
  handle: UnaryHandler<Request, Response>,
): UnaryHandler<Request, Response> {
  return (admitted, call, respond) => {
    if (announces(call.request)) context.uploadWindows.follow(serverStreamOf(call));
    handle(admitted, call, respond);
  };
}

/** One request, a stream of answers. */
export function streaming<Request, Response>(
  context: ServiceContext,
  nameOf: (request: Request) => string | undefined,
  handle: (
    context: ServiceContext,
    request: Request,
    outlet: BulkCall<Request, Response>,
    facts: RequestFacts,
  ) => Promise<void>,
): StreamHandler<Request, Response> {
  return (admitted, grpcCall) => {
    const call = new BulkCall<Request, Response>(grpcCall, context.zeroCopy, context.stallTimeoutMs);
    admitted.facts.file = nameOf(call.request) ?? '';
    admitted.hold(holderOf(call, context.stallLingerMs));
    settle(
      admitted,
      () => {
        const request = whole(call.request);
        return handle(contextOf(context, admitted), request, call, admitted.facts);
      },
      () => call.end(),
      (error) => {
        if (error.code === 'STALLED') context.counters.stalls.add(1, 'download');
        endWithError(call, error, context.stallLingerMs);
      },
    );
  };
}

/** A stream of chunks, one answer. */
export function uploading(context: ServiceContext): UploadHandler {
  const { requestDeserialize } = transferService.UploadFile as ServiceDefinition[string];
  return (admitted, grpcCall, respond) => {
    const call = new UploadCall(grpcCall, respond, requestDeserialize, {
      direct: context.directReads,
      maxChunkBytes: context.chunk.maxSize,
      stallTimeoutMs: context.stallTimeoutMs,
      windows: context.uploadWindows,
    });
    admitted.hold(holderOf(call, context.stallLingerMs));
    settle(
      admitted,
      () => uploadFile(contextOf(context, admitted), call, admitted),
      (response) => call.respond(response),
      (error) => {
        if (error.code === 'STALLED') context.counters.stalls.add(1, 'upload');
        endWithError(call, error, context.stallLingerMs);
      },
    );
  };
}

/** Streams of requests and of answers. */
export function exchanging(
  context: ServiceContext,
  { places, tracing }: Pick<CallPrelude, 'places' | 'tracing'>,
): ExchangeHandler {
  const { requestDeserialize } = transferService.Exchange as ServiceDefinition[string];
  const quota = new ByteQuota(exchangeQuotaBytes(context.chunk.maxSize));
  const setup = { places, tracing, decode: requestDeserialize as (bytes: Buffer) => ExchangeRequest };
  return (admitted, grpcCall) => {
    const call = new ExchangeCall<ExchangeResponse>(grpcCall, {
      zeroCopy: context.zeroCopy,
      stallTimeoutMs: context.stallTimeoutMs,
      maxMessageBytes: maxExchangeMessageBytes(context.chunk.maxSize),
      quota,
      windows: context.uploadWindows,
    });
    const served = new Exchange(contextOf(context, admitted), setup, call, admitted);
    admitted.hold(holderOf(served, context.stallLingerMs));
    settle(
      admitted,
      () => served.run(),
      () => call.answers.end(),
      (error) => {
        if (error.code === 'STALLED') context.counters.stalls.add(1, 'download');
        endWithError(call.answers, error, context.stallLingerMs);
      },
    );
  };
}

/** The request itself; throws what stands in place of one that was none. */
function whole<Request>(request: Request): Request {
  if (request instanceof TransferError) throw request;
  return request;
}

function settle<Result>(
  admitted: AdmittedCall,
  work: () => Promise<Result>,
  answer: (result: Result) => void,
  fail: (error: TransferError) => void,
): void {
  const done = async () => {
    try {
      const result = await work();
      answer(result);
      admitted.ended();
    } catch (reason) {
      fail(admitted.failed(reason));
    }
  };
  void done();
}
