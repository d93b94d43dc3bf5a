/**
 * A client of bare grpc-js, independent of the client library: it believes
 * nothing, keeps everything, and reports a call's end as a value.
 */
import { fileURLToPath } from 'node:url';
import * as zlib from 'node:zlib';
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials as grpcCredentials,
  Metadata,
  type MetadataOptions,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

const PROTO_DIR = fileURLToPath(new URL('../../../../proto/', import.meta.url));

/** Loaded here and not taken from src/, with 64-bit numbers as text, so that nothing is lost on the way. */
export const contract = loadSync('sluice/v1/transfer.proto', {
  includeDirs: [PROTO_DIR],
  longs: String,
  enums: String,
  defaults: true,
})['sluice.v1.TransferService'] as ServiceDefinition;

export interface StreamRequest {
  fileName?: string;
  start?: number | string;
  chunkSize?: number;
  canDecompress?: boolean;
  limit?: number | string;
  ifMatch?: string;
  wantDetails?: boolean;
  wantChecksums?: boolean;
  compression?: string;
  acceptedCodecs?: string[];
}

export interface ChunkMessage {
  chunk: Buffer;
  compressed: boolean;
  offset: string;
  rawSize: number;
  crc32?: number;
  file?: { name: string; size: string; version: string; modifiedMs: string; contentType: string } | null;
  summary?: { offset: string; size: string; crc32: number } | null;
  codec: string;
}

/** How a call ended; every call ends. */
export interface CallEnd {
  status: keyof typeof status;
  details: string;
  /** The trailer `sluice-code`; '' without one. */
  code: string;
  /** The trailer `sluice-version`; '' without one. */
  version: string;
}

export interface Received extends CallEnd {
  messages: ChunkMessage[];
  /** All chunks, inflated, one behind the other. */
  bytes: Buffer;
}

const EVERY_SIZE: ChannelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
};

export class RawClient {
  readonly #client: Client;
  readonly #token: string | undefined;

  /** @param token goes with each call */
  constructor(
    address: string,
    options: ChannelOptions = {},
    credentials = grpcCredentials.createInsecure(),
    token?: string,
  ) {
    this.#client = new Client(address, credentials, { ...EVERY_SIZE, ...options });
    this.#token = token;
  }

  close(): void {
    this.#client.close();
  }

  stream(request: StreamRequest, options: CallOptions = {}): ClientReadableStream<ChunkMessage> {
    return this.serverStream('StreamFile', request, options) as ClientReadableStream<ChunkMessage>;
  }

  serverStream(method: string, request: object, options: CallOptions = {}): ClientReadableStream<unknown> {
    const { path, requestSerialize, responseDeserialize } = methodOf(method);
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadataWith(this.#token),
      options,
    );
    call.on('error', () => {}); // Whoever wants to know asks endOf.
    return call;
  }

  /** Reads a whole stream. */
  fetch(request: StreamRequest, options: CallOptions = {}): Promise<Received> {
    return receiveAll(this.stream(request, options));
  }

  /** A client stream: the call to write to, and its end with the answer. */
  clientStream(method: string): { call: ClientWritableStream<object>; ended: Promise<Answered> } {
    const { path, requestSerialize, responseDeserialize } = methodOf(method);
    let call!: ClientWritableStream<object>;
    const ended = new Promise<Answered>((resolve) => {
      call = this.#client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadataWith(this.#token),
        (failure, answer) => resolve(answeredOf(failure, answer)),
      );
    });
    call.on('error', () => {}); // The end tells.
    return { call, ended };
  }

  /** One request, one answer; the answer is undefined unless the call ended in OK. */
  async unary(method: string, request: object, options: MetadataOptions = {}): Promise<Answered> {
    const { path, requestSerialize, responseDeserialize } = methodOf(method);
    const metadata = metadataWith(this.#token, options);
    return await new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        (failure, answer) => resolve(answeredOf(failure, answer)),
      );
    });
  }
}

export function metadataWith(token: string | undefined, options: MetadataOptions = {}): Metadata {
  const metadata = new Metadata(options);
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

/** The end of a call with one answer; undefined unless it ended in OK. */
export type Answered = CallEnd & { answer: Record<string, unknown> | undefined };

function answeredOf(failure: ServiceError | null, answer: unknown): Answered {
  const end =
    failure === null ? callEnd({ code: status.OK, details: '', metadata: new Metadata() }) : callEnd(failure);
  return { ...end, answer: answer as Record<string, unknown> | undefined };
}

export async function receiveAll(call: ClientReadableStream<ChunkMessage>): Promise<Received> {
  const messages: ChunkMessage[] = [];
  call.on('data', (message: ChunkMessage) => messages.push(message));
  const end = await endOf(call);
  return { ...end, messages, bytes: bytesOf(messages) };
}

/** Resolves when the call has ended and its messages were taken. The reader must not be paused. */
export function endOf(call: ClientReadableStream<unknown>): Promise<CallEnd> {
  return new Promise((resolve) => {
    let final: StatusObject | undefined;
    let isRead = false;
    call.on('status', (ending: StatusObject) => {
      final = ending;
      if (isRead || ending.code !== status.OK) resolve(callEnd(ending));
    });
    call.on('end', () => {
      isRead = true;
      if (final !== undefined) resolve(callEnd(final));
    });
    call.on('error', (failure: ServiceError) => resolve(callEnd(failure)));
  });
}

/** Resolves with the first message; the call is paused behind it. Rejects when the call ends before. */
export function firstMessage(call: ClientReadableStream<ChunkMessage>): Promise<ChunkMessage> {
  return new Promise((resolve, reject) => {
    call.once('data', (message: ChunkMessage) => {
      call.pause();
      resolve(message);
    });
    call.once('error', reject);
    call.once('end', () => reject(new Error('the stream ended without a message')));
  });
}

export function bytesOf(messages: readonly ChunkMessage[]): Buffer {
  return Buffer.concat(messages.map((message) => rawChunk(message)));
}

export function rawChunk({ chunk, codec, compressed }: ChunkMessage): Buffer {
  if (!compressed) return chunk;
  switch (codec) {
    case 'CODEC_UNSPECIFIED':
      return zlib.gunzipSync(chunk);
    case 'CODEC_BROTLI':
      return zlib.brotliDecompressSync(chunk);
    case 'CODEC_ZSTD':
      return (zlib as unknown as { zstdDecompressSync(bytes: Buffer): Buffer }).zstdDecompressSync(chunk);
    default:
      throw new Error(`a chunk says ${codec}`);
  }
}

export function methodOf(name: string): MethodDefinition<object, object> {
  return contract[name] as MethodDefinition<object, object>;
}

function callEnd({ code, details, metadata }: StatusObject | ServiceError): CallEnd {
  return {
    status: status[code] as keyof typeof status,
    details,
    code: String(metadata?.get('sluice-code')[0] ?? ''),
    version: String(metadata?.get('sluice-version')[0] ?? ''),
  };
}
