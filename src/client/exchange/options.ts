/** What a caller says about one request of a session. */
import type { StreamOptions } from '../download/options.ts';
import type { CompressionMode } from '../options.ts';

export interface SessionReadOptions extends Omit<StreamOptions, 'onProgress'> {
  /** As in `ClientOptions`. Default: the client's. */
  compression?: CompressionMode | undefined;
}

export interface SessionWriteOptions {
  /** Replace an existing file. Default true; false rejects with ALREADY_EXISTS. */
  overwrite?: boolean | undefined;
  /** Replace exactly this version; any other, or none, is VERSION_MISMATCH. */
  ifMatch?: string | undefined;
  /** Permission bits of the file (of 0o777). Default: those of the file that it replaces, or what the server gives new files. */
  mode?: number | undefined;
  /** Time of the last change, in milliseconds since the epoch. Default: when it is written. */
  modifiedMs?: number | undefined;
  /** Aborting rejects with CANCELLED, a timeout (`AbortSignal.timeout`) with DEADLINE_EXCEEDED; the file may be written all the same. */
  signal?: AbortSignal | undefined;
}

export interface SessionDirectoryOptions {
  /** Permission bits of a directory that is new. */
  mode?: number | undefined;
  /** As for writes. */
  signal?: AbortSignal | undefined;
}

export interface BufferOptions {
  /** Reject with INVALID_ARGUMENT when the range has more bytes. Default 64 MiB. */
  maxBytes?: number | undefined;
}
