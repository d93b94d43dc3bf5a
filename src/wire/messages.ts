/**
 * The messages of proto/sluice/v1/transfer.proto as they appear in code.
 * test/wire/messages.test.ts holds the field names against the proto file.
 */

export interface GetFileSizeRequest {
  fileName: string;
}

export interface GetFileSizeResponse {
  size: number;
  version: string;
}

export type CompressionWish = 'COMPRESSION_UNSPECIFIED' | 'COMPRESSION_NEVER' | 'COMPRESSION_ALWAYS';
export type Codec = 'CODEC_UNSPECIFIED' | 'CODEC_GZIP' | 'CODEC_BROTLI' | 'CODEC_ZSTD';

export interface StreamFileRequest {
  start: number;
  chunkSize: number;
  fileName: string;
  canDecompress: boolean;
  /** Absent: to the end of the file. */
  limit?: number;
  ifMatch: string;
  wantDetails: boolean;
  wantChecksums: boolean;
  /** A number when the peer sent a value this version does not know. */
  compression: CompressionWish | number;
  acceptedCodecs: (Codec | number)[];
  /** 0: no keep-alive messages. */
  keepAliveMs: number;
}

export interface StreamFileResponse {
  chunk: Uint8Array;
  compressed: boolean;
  offset: number;
  rawSize: number;
  crc32?: number;
  file?: FileInfo | null;
  summary?: RangeSummary | null;
  /** Of a compressed chunk; CODEC_UNSPECIFIED is gzip. A number when the peer sent a value this version does not know. */
  codec: Codec | number;
}

export interface RangeSummary {
  offset: number;
  size: number;
  crc32: number;
}

export interface FileInfo {
  name: string;
  /** Bytes. */
  size: number;
  /** Opaque; equal exactly when the content is the same. */
  version: string;
  /** Milliseconds since the epoch. */
  modifiedMs: number;
  /** MIME type by the name's extension; empty when unknown. */
  contentType: string;
  /** Permission bits; absent where the store has none. */
  mode?: number;
  /** SHA-256 of the content, `sha256:` and 64 hexadecimal digits; absent where the server does not know it. */
  digest?: string;
}

export interface StatFileRequest {
  fileName: string;
  digest: boolean;
}

export interface StatFileResponse {
  file: FileInfo | null;
}

export interface ListFilesRequest {
  prefix: string;
  recursive: boolean;
  /** A position of an earlier response; empty: from the start. */
  after: Uint8Array;
  /** As in StreamFileRequest. */
  keepAliveMs: number;
}

export interface ListFilesResponse {
  entries: ListEntry[];
  omitted: OmittedEntry[];
  /** Where the message ends; empty when the server does not say. */
  position: Uint8Array;
}

export type OmissionReason =
  | 'OMISSION_UNSPECIFIED'
  | 'OMISSION_UNREADABLE'
  | 'OMISSION_SYMBOLIC_LINK'
  | 'OMISSION_SPECIAL_FILE'
  | 'OMISSION_BAD_NAME'
  | 'OMISSION_TOO_DEEP'
  | 'OMISSION_OTHER_FILE_SYSTEM';

export interface OmittedEntry {
  /** For people; escaped and cut. */
  shownName: string;
  reason: OmissionReason;
}

export interface ListEntry {
  /** The whole name from the root. */
  name: string;
  isDirectory: boolean;
  /** Bytes; 0 for a directory. */
  size: number;
  modifiedMs: number;
  /** Empty for a directory. */
  version: string;
  /** Permission bits; absent where the store has none. */
  mode?: number;
}

export type OverwriteWish =
  | 'OVERWRITE_UNSPECIFIED'
  | 'OVERWRITE_NEVER'
  | 'OVERWRITE_ALWAYS'
  | 'OVERWRITE_VERSION';

/** What is known of a whole file before it is there. */
export interface Expected {
  /** Bytes. */
  size?: number;
  crc32?: number;
  /** 32 bytes, or none when it is not known. */
  sha256: Uint8Array;
}

export interface StartUploadRequest {
  fileName: string;
  expected: Expected | null;
  /** A number when the peer sent a value this version does not know. */
  overwrite: OverwriteWish | number;
  ifMatch: string;
  /** Empty: the server chooses. */
  uploadId: string;
  /** Of the file; absent: when it was written. */
  modifiedMs?: number;
  /** Permission bits of the file; absent: those of a new file, or of the one it replaces. */
  mode?: number;
}

export interface StartUploadResponse {
  uploadId: string;
  /** Bytes, as sent and decompressed. */
  maxChunkSize: number;
  /** Milliseconds since the epoch. */
  expiresMs: number;
  acceptedCodecs: (Codec | number)[];
  /** HTTP/2 PINGs may measure the link below an upload. */
  takesPings: boolean;
  maxStreams?: number;
}

export interface UploadFileRequest {
  chunk: Uint8Array;
  compressed: boolean;
  /** Absent: where the chunk before it ended. */
  offset?: number;
  rawSize: number;
  crc32?: number;
  uploadId: string;
  start: StartUploadRequest | null;
  finish: boolean;
  expected: Expected | null;
  /** Of a compressed chunk; CODEC_UNSPECIFIED is gzip. A number when the peer sent a value this version does not know. */
  codec: Codec | number;
}

export interface UploadFileResponse {
  uploadId: string;
  committedSize: number;
  file: FileInfo | null;
}

export interface GetUploadStatusRequest {
  uploadId: string;
  /** Empty: of any file. */
  fileName: string;
  sync: boolean;
}

/** The half-open range `[start, end)`. */
export interface Part {
  start: number;
  end: number;
}

export interface GetUploadStatusResponse {
  fileName: string;
  committedSize: number;
  parts: Part[];
  expectedSize?: number;
  complete: boolean;
  file: FileInfo | null;
  expiresMs: number;
  /** Empty when the server does not say. */
  acceptedCodecs: (Codec | number)[];
  /** Bytes, as sent and decompressed; 0 when the server does not say. */
  maxChunkSize: number;
  /** HTTP/2 PINGs may measure the link below an upload. */
  takesPings: boolean;
  maxStreams?: number;
}

export interface FinishUploadRequest {
  uploadId: string;
  fileName: string;
  expected: Expected | null;
}

export interface FinishUploadResponse {
  file: FileInfo | null;
}

export interface AbortUploadRequest {
  uploadId: string;
}

export type AbortUploadResponse = Record<never, never>;

export interface DeleteFileRequest {
  fileName: string;
  /** Empty: any version. */
  ifMatch: string;
  /** Remove an empty directory, not a file. */
  directory: boolean;
}

export type DeleteFileResponse = Record<never, never>;

export interface MakeDirectoryRequest {
  fileName: string;
  /** Permission bits of a new directory. */
  mode?: number;
}

export type MakeDirectoryResponse = Record<never, never>;

/** What is asked for is the one field of the oneof that is there; the others are null, or false. */
export interface ExchangeRequest {
  id: number;
  credit: number;
  read?: StreamFileRequest | null;
  readPack?: ReadPackRequest | null;
  stat?: StatFileRequest | null;
  list?: ListFilesRequest | null;
  write?: WritePackRequest | null;
  makeDirectory?: MakeDirectoryRequest | null;
  cancel?: boolean;
  keepAliveMs: number;
  /** Of W3C Trace Context; '' without a trace. */
  traceparent: string;
  tracestate: string;
}

/** The one field of the oneof that is there; the others are null. */
export interface ExchangeResponse {
  id: number;
  data?: StreamFileResponse | null;
  info?: FileInfo | null;
  entries?: ListFilesResponse | null;
  written?: WritePackResponse | null;
  end?: ExchangeEnd | null;
  limits?: ExchangeLimits | null;
}

export interface ExchangeEnd {
  failure: Failure | null;
}

export interface Failure {
  /** A gRPC status code, not 0. */
  code: number;
  message: string;
  sluiceCode: string;
  version: string;
}

export interface ExchangeLimits {
  maxRequests: number;
  /** Bytes of one request, granted and not used. */
  maxCredit: number;
  maxPackFiles: number;
  /** Bytes of content. */
  maxPackSize: number;
  acceptedCodecs: (Codec | number)[];
  takesPings: boolean;
}

export interface ReadPackRequest {
  files: PackedFile[];
  start: number;
  chunkSize: number;
  wantChecksums: boolean;
  compression: CompressionWish | number;
  acceptedCodecs: (Codec | number)[];
}

/** As a listing has it. */
export interface PackedFile {
  fileName: string;
  /** Bytes. */
  size: number;
  version: string;
}

export interface WritePackRequest {
  files: WrittenFile[];
  content: Uint8Array;
  compressed: boolean;
  rawSize: number;
  crc32?: number;
  /** Of compressed content; CODEC_UNSPECIFIED is gzip. A number when the peer sent a value this version does not know. */
  codec: Codec | number;
}

export interface WrittenFile {
  fileName: string;
  /** Bytes. */
  size: number;
  overwrite: OverwriteWish | number;
  ifMatch: string;
  modifiedMs?: number;
  mode?: number;
}

export interface WritePackResponse {
  results: WriteResult[];
}

export interface WriteResult {
  version: string;
  failure: Failure | null;
}
