/**
 * The contract as a user of stock gRPC has it: loaded by @grpc/proto-loader,
 * with the types of the two calls that the stock peer knows.
 */
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { repositoryPath } from '../harness/paths.ts';

export interface GetFileSizeRequest {
  fileName: string;
}

export interface GetFileSizeResponse {
  size: number;
}

export type CompressionWish = 'COMPRESSION_UNSPECIFIED' | 'COMPRESSION_NEVER' | 'COMPRESSION_ALWAYS';

export interface StreamFileRequest {
  start: number;
  /** 0 leaves it to the server. */
  chunkSize: number;
  fileName: string;
  canDecompress: boolean;
  /** Not in the plain contract: the stock server ignores it. */
  compression: CompressionWish;
}

export interface StreamFileResponse {
  chunk: Buffer;
  compressed: boolean;
}

/** The first message of an upload has `start`, the last one `finish`, those between a chunk. */
export interface UploadFileRequest {
  chunk?: Buffer;
  start?: { fileName: string; overwrite: 'OVERWRITE_ALWAYS' } | null;
  finish?: boolean;
}

export interface UploadFileResponse {
  committedSize: number;
}

/** The client that grpc-js makes from the contract. */
export interface TransferServiceClient extends grpc.Client {
  getFileSize(
    request: GetFileSizeRequest,
    callback: (error: grpc.ServiceError | null, response: GetFileSizeResponse) => void,
  ): grpc.ClientUnaryCall;
  streamFile(
    request: Partial<StreamFileRequest>,
    options?: grpc.CallOptions,
  ): grpc.ClientReadableStream<StreamFileResponse>;
  uploadFile(
    callback: (error: grpc.ServiceError | null, response: UploadFileResponse) => void,
  ): grpc.ClientWritableStream<UploadFileRequest>;
}

const loaded = grpc.loadPackageDefinition(
  loadSync(repositoryPath('proto/sluice/v1/transfer.proto'), {
    longs: Number,
    enums: String,
    defaults: true,
  }),
) as unknown as {
  sluice: {
    v1: {
      TransferService: {
        new (
          address: string,
          credentials: grpc.ChannelCredentials,
          options?: grpc.ChannelOptions,
        ): TransferServiceClient;
        service: grpc.ServiceDefinition;
      };
    };
  };
};

export const TransferService = loaded.sluice.v1.TransferService;
