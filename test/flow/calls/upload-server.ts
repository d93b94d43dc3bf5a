/** A gRPC server with one upload call that a test receives as it likes, and clients of it. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Socket } from 'node:net';
import {
  type ChannelOptions,
  Client,
  type ClientWritableStream,
  credentials,
  type handleClientStreamingCall,
  Server,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { TransferError } from '../../../src/base/errors.ts';
import {
  UploadCall,
  type UploadCallOptions,
  type UploadReceiver,
} from '../../../src/flow/calls/upload-call.ts';
import { StaticWindows } from '../../../src/flow/windows/static-windows.ts';
import type { UploadFileRequest } from '../../../src/wire/messages.ts';
import { transferService } from '../../../src/wire/service.ts';
import type { Scope } from '../../support/test-engine.ts';
import { letConnectionsIn } from './injected-server.ts';

const PATH = '/test.Upload/Stream';
const { requestSerialize, requestDeserialize } =
  transferService.UploadFile as (typeof transferService)[string];

export const WINDOW_BYTES = 65_535;

export type TestCall = UploadCall<UploadFileRequest, Buffer>;

/** Receives everything, unless told to have no memory or to pause. */
export class TestReceiver implements UploadReceiver<UploadFileRequest> {
  readonly call: TestCall;
  readonly messages: UploadFileRequest[] = [];
  readonly failures: TransferError[] = [];
  /** All chunks, in order. */
  chunks: Buffer[] = [];
  endings = 0;
  hasMemory = true;
  /** How often memory was asked for and there was none. */
  refusals = 0;
  pausesInMessages = false;
  /** The chunk that arrives. */
  memory: Buffer | null = null;
  onMessage: (message: UploadFileRequest) => void = () => {};
  onEnded: () => void = () => {};

  constructor(call: TestCall) {
    this.call = call;
  }

  reserve(bytes: number): Uint8Array | null {
    if (!this.hasMemory) {
      this.refusals += 1;
      return null;
    }
    this.memory = Buffer.alloc(bytes);
    return this.memory;
  }

  message(message: UploadFileRequest, chunkBytes: number): void {
    if ((this.memory?.length ?? 0) !== chunkBytes)
      throw new Error('the memory has not the size of the chunk');
    this.chunks.push(this.memory ?? Buffer.alloc(0));
    this.memory = null;
    this.messages.push(message);
    if (this.pausesInMessages) this.call.pause();
    this.onMessage(message);
  }

  ended(): void {
    this.endings += 1;
    this.onEnded();
  }

  failed(error: TransferError): void {
    this.failures.push(error);
  }
}

export interface UploadServer {
  port: number;
  /** The server's ends of all connections. */
  sockets: Socket[];
  /** One for each call that came. */
  receivers: TestReceiver[];
}

/** `prepare` sees each receiver before its call is read. */
export async function serveUploads(
  scope: Scope,
  options: Partial<UploadCallOptions>,
  prepare: (receiver: TestReceiver) => void = () => {},
): Promise<UploadServer> {
  const server = new Server({ 'grpc.enable_channelz': 0, 'grpc.max_receive_message_length': -1 });
  const receivers: TestReceiver[] = [];
  const onCall: handleClientStreamingCall<UploadFileRequest, Buffer> = (grpcCall, respond) => {
    const call = new UploadCall(
      grpcCall,
      respond,
      requestDeserialize as (bytes: Buffer) => UploadFileRequest,
      {
        direct: true,
        maxChunkBytes: 1_000_000,
        stallTimeoutMs: 60_000,
        windows: new StaticWindows(WINDOW_BYTES),
        ...options,
      },
    );
    const receiver = new TestReceiver(call);
    receivers.push(receiver);
    prepare(receiver);
    call.start(receiver);
  };
  server.register(PATH, onCall, (bytes: Buffer) => bytes, requestDeserialize, 'clientStream');
  return { ...(await letConnectionsIn(scope, server)), receivers };
}

export interface CallEnd {
  code: status;
  details: string;
  response: Buffer | undefined;
}

export interface GrpcUpload {
  call: ClientWritableStream<Partial<UploadFileRequest>>;
  end: Promise<CallEnd>;
}

/** A connection. */
export function grpcClient(scope: Scope, port: number, options: ChannelOptions = {}): Client {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    ...options,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  });
  scope.after(() => client.close());
  return client;
}

/** On a connection of its own, unless there is one for it. */
export function grpcUpload(scope: Scope, port: number, client = grpcClient(scope, port)): GrpcUpload {
  let ended: (end: CallEnd) => void = () => {};
  const end = new Promise<CallEnd>((resolve) => (ended = resolve));
  const call = client.makeClientStreamRequest(
    PATH,
    requestSerialize as (request: Partial<UploadFileRequest>) => Buffer,
    (bytes: Buffer) => bytes,
    (failure: ServiceError | null, response?: Buffer) =>
      ended({ code: failure?.code ?? status.OK, details: failure?.details ?? '', response }),
  );
  call.on('error', () => {});
  return { call, end };
}

export interface RawUpload {
  session: ClientHttp2Session;
  stream: ClientHttp2Stream;
  /** Of headers and trailers, when the stream has closed. */
  answer: Promise<Record<string, unknown>>;
}

/** A stream whose bytes the test writes itself. */
export async function rawUpload(scope: Scope, port: number): Promise<RawUpload> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  scope.after(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const headers: Record<string, unknown> = {};
  stream.on('response', (sent) => Object.assign(headers, sent));
  stream.on('trailers', (sent) => Object.assign(headers, sent));
  stream.on('error', () => {});
  stream.resume();
  const answer = new Promise<typeof headers>((resolve) => stream.on('close', () => resolve(headers)));
  return { session, stream, answer };
}

export function serialized(request: Partial<UploadFileRequest>): Buffer {
  return requestSerialize(request);
}
