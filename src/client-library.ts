/** The client alone, as `sluice/client`: for programs that serve nothing, and for small bundles. */
export { ERROR_CODES, type ErrorCode, TransferError, type TransferErrorOptions } from './base/errors.ts';
export { type Logger, silentLogger } from './base/logger.ts';
export type { OpenTelemetryApi } from './base/tracing.ts';
export {
  type CallOptions,
  type DeleteOptions,
  type MakeDirectoryOptions,
  SluiceClient,
  type StatOptions,
} from './client/client.ts';
export type { CodecBytes } from './client/codec-account.ts';
export type { MetadataSource, TokenSource } from './client/connection/proof.ts';
export type {
  DownloadOptions,
  DownloadResult,
  Progress,
  StreamOptions,
  TransferPhase,
} from './client/download/options.ts';
export type {
  BufferOptions,
  SessionDirectoryOptions,
  SessionReadOptions,
  SessionWriteOptions,
} from './client/exchange/options.ts';
export type { SessionRead } from './client/exchange/requests/read.ts';
export type { SluiceSession } from './client/exchange/session.ts';
export type { ListOptions } from './client/list.ts';
export type { ClientOptions, CompressionMode, RetryOptions, TlsOptions } from './client/options.ts';
export type { TreeFailure, TreeFile, TreeOptions, TreeResult } from './client/tree/options.ts';
export type { LeftOutKind } from './client/tree/plan/left-out.ts';
export type { TreeProgress } from './client/tree/run/totals.ts';
export type {
  UploadOptions,
  UploadPhase,
  UploadProgress,
  UploadResult,
  UploadSource,
} from './client/upload/options.ts';
export type { FileInfo, ListEntry, OmissionReason } from './wire/messages.ts';
