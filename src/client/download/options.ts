/**
 * Options, progress and result of one download. The range is half-open:
 * [start, start + limit).
 */
import type { CodecBytes } from '../codec-account.ts';
import { MAX_CONNECTIONS } from '../limits.ts';
import { inRange } from '../options.ts';

export interface StreamOptions {
  /** Offset of the first byte. Default 0. */
  start?: number | undefined;
  /** The most bytes from `start` on; a limit beyond the end is cut there. Default: up to the end. */
  limit?: number | undefined;
  /** Accept only this version of the file; any other is VERSION_MISMATCH, never a restart. */
  ifMatch?: string | undefined;
  /** Aborting rejects with CANCELLED, a timeout (`AbortSignal.timeout`) with DEADLINE_EXCEEDED; a partial file is kept for the next call. */
  signal?: AbortSignal | undefined;
  /** Called about ten times a second and at every change of phase; must not throw. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface DownloadOptions extends StreamOptions {
  /** Path targets: replace an existing file. Default true, as for uploads; false rejects with ALREADY_EXISTS. */
  overwrite?: boolean | undefined;
  /**
   * Path targets: give a whole file the permission bits (of 0777) that it has on the server. Default false: it has
   * those of the file it replaces, or of any new one.
   */
  keepMode?: boolean | undefined;
  /**
   * Path targets: TCP connections to fetch ranges of the file over, which takes a server that tells versions.
   * Default: one, or one to each of several servers, then more while each makes the download faster; at most 4.
   * Streams always use one.
   */
  connections?: number | undefined;
  /** Writable and WritableStream targets: end them after the last byte. Default true, except for stdout and stderr. */
  end?: boolean | undefined;
}

/**
 * - `checking`: bytes of an earlier run are read back and compared
 * - `receiving`: a call is open, or being opened
 * - `waiting`: the last attempt failed; the next one follows after a backoff
 * - `finishing`: all bytes have arrived; they are made durable, and the file gets its name
 */
export type TransferPhase = 'checking' | 'receiving' | 'waiting' | 'finishing';

export interface Progress {
  readonly name: string;
  readonly phase: TransferPhase;
  /** Bytes of the range; undefined until the server has named the file's size. */
  readonly sizeBytes: number | undefined;
  /** Bytes of the range received, resumed ones included. Falls back after a restart. */
  readonly receivedBytes: number;
  /** Bytes taken over from an earlier run. */
  readonly resumedBytes: number;
  /** 1, and one more for each interruption of any of the calls. */
  readonly attempt: number;
  /** Times the transfer began again because the file changed. */
  readonly restarts: number;
}

export interface DownloadResult extends CodecBytes {
  /** Bytes of the range, resumed ones included. */
  readonly bytes: number;
  /** Bytes taken over from an earlier run. */
  readonly resumedBytes: number;
  /** The version all bytes belong to; empty when the server does not tell versions. */
  readonly version: string;
  /** CRC-32 of the range; undefined when `verify` is off and nothing else needed it. */
  readonly crc32: number | undefined;
  /** Length and checksums agreed. False with `verify: false` or a server without checksums: then only the length did. */
  readonly verified: boolean;
  readonly attempts: number;
  readonly restarts: number;
  /** Wall time of the transfer. */
  readonly durationMs: number;
}

/** What to fetch. */
export interface TransferRequest {
  readonly name: string;
  readonly start: number;
  readonly limit: number | undefined;
  /** Empty: any version. */
  readonly ifMatch: string;
}

/** How many connections a download is to use, undefined for as many as help. Throws INVALID_ARGUMENT for a number that cannot be. */
export function connectionsOf({ connections }: DownloadOptions): number | undefined {
  return connections === undefined ? undefined : inRange('connections', connections, 1, MAX_CONNECTIONS);
}

/** Throws INVALID_ARGUMENT for a bad start or limit. */
export function requestOf(name: string, options: StreamOptions): TransferRequest {
  const most = Number.MAX_SAFE_INTEGER;
  return {
    name,
    start: inRange('start', options.start ?? 0, 0, most),
    limit: options.limit === undefined ? undefined : inRange('limit', options.limit, 0, most),
    ifMatch: options.ifMatch ?? '',
  };
}
