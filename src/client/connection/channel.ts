/**
 * The connections to one target: the only file of the client that makes grpc-js
 * calls. Calls fail fast; waiting and trying again is `retry.ts`'s business.
 * Every failure leaves here as a `TransferError`.
 */
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';
import { AgentSession } from '../../flow/connections/agent-session.ts';
import { CallLink } from '../../flow/connections/call-link.ts';
import type { Turn } from '../../flow/connections/turn.ts';
import { clientWindows } from '../../flow/windows/client-windows.ts';
import { decodeExchangeAnswer, type ExchangeAnswer } from '../../wire/exchange-answer.ts';
import type { ExchangeRequest } from '../../wire/messages.ts';
import { adminService, transferService } from '../../wire/service.ts';
import { MAX_ANSWER_BYTES, SLOW_NAME_MS } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { CallFailures } from './call-failures.ts';
import { cancelCall, cancelledBy, onCancelled } from './cancellation.ts';
import { Connection } from './connection.ts';
import {
  type ChannelPurpose,
  channelOptions,
  credentialsFor,
  namedServers,
  usesTls,
} from './connection-options.ts';
import { isForeignType } from './foreign-answer.ts';
import type { Interruptions } from './interruptions.ts';
import { prepareCall } from './prepare-call.ts';
import type { Target } from './target.ts';

type Method =
  | 'GetFileSize'
  | 'StatFile'
  | 'StreamFile'
  | 'ListFiles'
  | 'StartUpload'
  | 'UploadFile'
  | 'GetUploadStatus'
  | 'FinishUpload'
  | 'AbortUpload'
  | 'DeleteFile'
  | 'MakeDirectory'
  | 'Exchange'
  | 'Watch';

export interface OwnConnection {
  readonly purpose: Exclude<ChannelPurpose, 'general'>;
  readonly turn: Turn;
}

export class Channel {
  /** The target, for messages to people. */
  readonly address: string;
  /** Logs failures that are retried. */
  readonly interruptions: Interruptions;
  readonly #connect: () => Connection;
  readonly #options: ResolvedOptions;
  readonly #session: AgentSession | undefined;
  /** Of TLS, that the connection was made with; undefined where it does not change. */
  #context: object | undefined;
  #connection: Connection;
  readonly #failures: CallFailures;
  #hasConnected = false;
  #isClosed = false;

  /**
   * Connects at the first call. Throws INVALID_ARGUMENT for unusable TLS material.
   *
   * @param own for what has connections of its own, to one server at a time
   */
  constructor(target: Target, options: ResolvedOptions, interruptions: Interruptions, own?: OwnConnection) {
    this.address = target.address;
    this.interruptions = interruptions;
    this.#options = options;
    const transport = usesTls(target, options) ? 'TLS' : 'plaintext';
    this.#failures = new CallFailures(target.address, transport, options.connectTimeoutMs);
    const { purpose = 'general', turn } = own ?? {};
    this.#session = purpose === 'upload' ? new AgentSession() : undefined;
    const constant = options.renewableTls === undefined ? credentialsFor(target, options) : undefined;
    const grpcOptions = { ...channelOptions(target, options, purpose), ...this.#session?.channelOptions };
    // grpc-js never shares a TLS connection, because TLS credentials are never equal.
    const isShared = !options.ownConnection && purpose === 'general' && transport === 'plaintext';
    const servers = namedServers(target, options);
    this.#connect = () => {
      this.#context = options.renewableTls?.context;
      const credentials = constant ?? credentialsFor(target, options);
      return new Connection({ servers, credentials, options: grpcOptions, isShared, turn });
    };
    this.#connection = this.#connect();
  }

  /** The server has answered once; from then on an outage is worth waiting for. */
  get hasConnected(): boolean {
    this.#hasConnected ||= this.isReady;
    return this.#hasConnected;
  }

  /** Servers of the target, as far as it has been resolved. */
  get serverCount(): number {
    return this.#connection.serverCount;
  }

  /** Connects. Resolves when the target was resolved, or after a while that is enough for most names. */
  async resolved(): Promise<void> {
    await Promise.race([this.#open().resolved(), sleep(SLOW_NAME_MS, undefined, { ref: false })]);
  }

  /** Another server may answer a call that one has failed. */
  get hasAnother(): boolean {
    return this.#connection.hasAnother;
  }

  /** There is a connection right now. */
  get isReady(): boolean {
    return this.#connection.isReady;
  }

  /** The link below a call of this connection; undefined where it cannot be found, or the call has not begun to move. */
  linkOf(call: object): CallLink | undefined {
    return CallLink.of(call, this.#session?.newest);
  }

  /**
   * Starts a server stream. The caller reads at once, keeps an `error`
   * listener, and cancels the call when it is done with it; `failureOf`
   * translates its errors.
   */
  stream<Request, Response>(method: Method, request: Request): ClientReadableStream<Response> {
    const { path, requestSerialize, responseDeserialize } = definition(method);
    const connection = this.#open();
    const { requestId, metadata, options } = prepareCall(this.#options);
    const call = readingNothingAhead(() =>
      connection.client.makeServerStreamRequest<Request, Response>(
        path,
        requestSerialize as (request: Request) => Buffer,
        responseDeserialize as (message: Buffer) => Response,
        request,
        metadata,
        options,
      ),
    );
    call.on('error', this.#follow(connection, call, requestId));
    if (method === 'StreamFile') this.#followLink(call, path);
    return call;
  }

  /**
   * Starts an Exchange. The caller reads at once and always, keeps an `error`
   * listener, and cancels the call when it is done with it; `failureOf`
   * translates its errors.
   */
  exchange(): ClientDuplexStream<Partial<ExchangeRequest>, ExchangeAnswer> {
    const { path, requestSerialize } = definition('Exchange');
    const connection = this.#open();
    const { requestId, metadata, options } = prepareCall(this.#options);
    const call = connection.client.makeBidiStreamRequest<Partial<ExchangeRequest>, ExchangeAnswer>(
      path,
      requestSerialize as (request: Partial<ExchangeRequest>) => Buffer,
      (message) => decodeExchangeAnswer(message, MAX_ANSWER_BYTES),
      metadata,
      options,
    );
    call.on('error', this.#follow(connection, call, requestId));
    this.#followLink(call, path);
    return call;
  }

  /**
   * Starts a client stream of messages that are serialised already. A message
   * belongs to grpc-js until the callback of its `write`, which may never come
   * after a failure. The caller cancels the call when it is done with it.
   *
   * @param done called once, with the answer or the failure, which `failureOf` translates
   * @param onMetadata what the server sends before its answer
   */
  clientStream<Response>(
    method: Method,
    done: (failure: ServiceError | null, response?: Response) => void,
    onMetadata: (metadata: Metadata) => void,
  ): ClientWritableStream<Uint8Array> {
    const { path, responseDeserialize } = definition(method);
    const connection = this.#open();
    const { requestId, metadata, options } = prepareCall(this.#options);
    const call = connection.client.makeClientStreamRequest<Uint8Array, Response>(
      path,
      (message) => message as Buffer,
      responseDeserialize as (message: Buffer) => Response,
      metadata,
      options,
      (failure, response) => {
        if (failure !== null) noteFailure(failure);
        done(failure, response);
      },
    );
    const noteFailure = this.#follow(connection, call, requestId);
    call.once('metadata', onMetadata);
    // `done` reports the failure.
    call.on('error', () => {});
    return call;
  }

  /**
   * A unary call, within the connect and stall timeouts and the time that the
   * server needs for its work. Rejects with a TransferError.
   */
  async unary<Request, Response>(
    method: Method,
    request: Request,
    signal?: AbortSignal,
    workMs = 0,
  ): Promise<Response> {
    this.assertOpen();
    if (signal?.aborted) throw cancelledBy(signal);
    const { path, requestSerialize, responseDeserialize } = definition(method);
    const { connectTimeoutMs, stallTimeoutMs } = this.#options;
    const connection = this.#open();
    const { requestId, metadata, options } = prepareCall(
      this.#options,
      connectTimeoutMs + stallTimeoutMs + workMs,
    );
    return await new Promise((resolve, reject) => {
      const settle = (failure: ServiceError | null, response?: Response) => {
        clearTimeout(connectTimer);
        ignoreSignal();
        if (failure !== null) noteFailure(failure);
        if (failure === null) resolve(response as Response);
        else if (signal?.aborted) reject(cancelledBy(signal));
        else reject(timedOut ? this.notConnected() : this.failureOf(failure));
      };
      const call = connection.client.makeUnaryRequest<Request, Response>(
        path,
        requestSerialize as (request: Request) => Buffer,
        responseDeserialize as (message: Buffer) => Response,
        request,
        metadata,
        options,
        settle,
      );
      const noteFailure = this.#follow(connection, call, requestId);
      let timedOut = false;
      const connectTimer = setTimeout(() => {
        if (this.isReady) return;
        timedOut = true;
        cancelCall(call);
      }, connectTimeoutMs);
      const ignoreSignal = onCancelled(signal, () => cancelCall(call));
    });
  }

  /** What the failure of a call means; names the address when nothing answers there. */
  failureOf(failure: Error): TransferError {
    return this.#failures.errorOf(failure, this.hasConnected);
  }

  /** UNAVAILABLE for a call that had no connection in time; the next call begins another connection. */
  notConnected(): TransferError {
    this.#connection.giveUp(this.#options.connectTimeoutMs);
    return this.#failures.unreachable();
  }

  /** Throws INVALID_ARGUMENT after `close`. */
  assertOpen(): void {
    if (this.#isClosed) throw new TransferError('INVALID_ARGUMENT', 'the client is closed');
  }

  /** Refuses further calls; the connection ends after the last running call. Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  /** Counts the call and notes who answers. Returns the listener for its failure. */
  #follow(
    connection: Connection,
    call: NodeJS.EventEmitter & { getPeer(): string },
    requestId: string,
  ): (failure: Error) => void {
    connection.track(call);
    let foreignType: string | undefined;
    call.once('metadata', (metadata: Metadata) => {
      this.#hasConnected = true;
      const contentType = metadata.get('content-type')[0];
      if (isForeignType(contentType)) foreignType = contentType;
      else this.interruptions.over();
    });
    return (failure) => {
      const server = connection.serverCount > 1 ? call.getPeer() : undefined;
      this.#failures.note(failure, { requestId, foreignType, server });
    };
  }

  /** Lets the windows of a call that receives bytes follow the link, where they are to. */
  #followLink(call: NodeJS.EventEmitter, path: string): void {
    const { logger, maxWindowBytes, windowBytes } = this.#options;
    if (windowBytes === undefined) clientWindows.follow(call, path, maxWindowBytes, logger);
  }

  #open(): Connection {
    this.assertOpen();
    // Calls on a connection with former certificates go on there.
    if (this.#connection.isGivenUp || this.#context !== this.#options.renewableTls?.context) {
      this.#connection.close();
      this.#connection = this.#connect();
    }
    return this.#connection;
  }
}

/**
 * The call that `make` begins holds one message while it is paused, instead of
 * the 16 that are the default for streams of objects: of chunks that is 4 MiB.
 * grpc-js takes no such option.
 */
function readingNothingAhead<Call>(make: () => Call): Call {
  const usual = getDefaultHighWaterMark(true);
  setDefaultHighWaterMark(true, 1);
  try {
    return make();
  } finally {
    setDefaultHighWaterMark(true, usual);
  }
}

function definition(method: Method) {
  const found = transferService[method] ?? adminService[method];
  if (found === undefined) throw new Error(`the contract has no ${method}`);
  const { responseDeserialize } = found;
  if (method === 'StreamFile') return found;
  return {
    ...found,
    responseDeserialize: (message: Buffer) => {
      if (message.byteLength > MAX_ANSWER_BYTES) {
        throw new Error(
          `an answer to ${method} has ${message.byteLength} bytes; ${MAX_ANSWER_BYTES} are the most`,
        );
      }
      return responseDeserialize(message);
    },
  };
}
