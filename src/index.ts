/** The public API of sluice. */
export type { AccessRequest } from './access/authenticator.ts';
export type { Identity } from './access/identity.ts';
export type { AccessFunctions, OwnIdentity } from './access/own-access.ts';
export type { Right } from './access/rights.ts';
export type { ByteRange } from './base/ranges.ts';
export {
  type BufferOptions,
  type CallOptions,
  type ClientOptions,
  type CodecBytes,
  type CompressionMode,
  type DeleteOptions,
  type DownloadOptions,
  type DownloadResult,
  ERROR_CODES,
  type ErrorCode,
  type FileInfo,
  type LeftOutKind,
  type ListEntry,
  type ListOptions,
  type Logger,
  type MetadataSource,
  type OpenTelemetryApi,
  type Progress,
  type RetryOptions,
  type SessionDirectoryOptions,
  type SessionRead,
  type SessionReadOptions,
  type SessionWriteOptions,
  SluiceClient,
  type SluiceSession,
  type StatOptions,
  type StreamOptions,
  silentLogger,
  type TlsOptions,
  type TokenSource,
  TransferError,
  type TransferErrorOptions,
  type TransferPhase,
  type TreeFailure,
  type TreeFile,
  type TreeOptions,
  type TreeProgress,
  type TreeResult,
  type UploadOptions,
  type UploadPhase,
  type UploadProgress,
  type UploadResult,
  type UploadSource,
} from './client-library.ts';
export { type ConfigInputs, type LoadedConfig, loadConfig } from './config/load.ts';
export type { Config } from './config/schema.ts';
export { type AddedSluice, addSluice, sluiceServerOptions } from './server/add-sluice.ts';
export type { Reloadable } from './server/reload.ts';
export { SluiceServer, type SluiceServerOptions } from './server/server.ts';
export type { MetricsRegistry, ServicesOptions } from './server/services.ts';
export type { ServerStats } from './server/stats.ts';
export type { ByteSink, ByteSource, Descriptor, Reader, Writer } from './storage/byte-source.ts';
export { parseName } from './storage/name.ts';
export type {
  FileIdentity,
  Listed,
  Omission,
  OmissionReason,
  OpenFile,
  Store,
  StoreEntry,
  StoreListOptions,
  StoreOpenOptions,
  StoreStatOptions,
} from './storage/store.ts';
export type {
  ExpectedContent,
  OpenUpload,
  Upload,
  UploadSpec,
  UploadState,
  UploadStore,
  UploadWriter,
  WriteCondition,
} from './storage/upload-store.ts';
export type { CheckedRange } from './wire/checked-ranges.ts';
