/**
 * Options, progress and result of one upload. Progress tells sent bytes and
 * bytes durable on the server.
 */
import type { Readable } from 'node:stream';
import { TransferError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import type { OverwriteWish } from '../../wire/messages.ts';
import type { CodecBytes } from '../codec-account.ts';
import { attributesOf, type FileAttributes } from '../file-attributes.ts';
import { MAX_CONNECTIONS } from '../limits.ts';
import { type CompressionMode, inRange, oneOf, type ResolvedOptions } from '../options.ts';

/**
 * Where the bytes come from.
 *
 * - a path: a regular file is pinned to the version it has now, read in parts, and resumed by a later
 *   process; anything else (a FIFO, a device) is read as a stream
 * - a stream or another iterable of bytes: read once, in order; what it yields is copied before the next is asked for
 * - bytes: must not change before the upload has ended
 */
export type UploadSource =
  | string
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Uint8Array;

export interface UploadOptions {
  /** Replace an existing file. Default true, as for downloads; false rejects with ALREADY_EXISTS. */
  overwrite?: boolean | undefined;
  /** Replace exactly this version; any other, or none, is VERSION_MISMATCH. */
  ifMatch?: string | undefined;
  /** The size of a stream, where it is known: for progress, and checked at the end. */
  size?: number | undefined;
  /** CRC-32 that the whole must have, checked by both sides. Without it the client sends the CRC-32 of what it has read. */
  crc32?: number | undefined;
  /** SHA-256 that the whole must have, 32 bytes. The server checks it, and reads the file once more for that. */
  sha256?: Uint8Array | undefined;
  /** Time of change that the file gets, in milliseconds since the epoch; fractions are dropped. Default: when it was written. */
  modifiedMs?: number | undefined;
  /** Permission bits that the file gets; the server sets those of 0777. Default: those of the file it replaces, or of any new one. */
  mode?: number | undefined;
  /** TCP connections to send parts of a file over. Default: one, then up to 4 while each makes the upload faster. Streams always use one. */
  connections?: number | undefined;
  /**
   * `auto`: compress where that makes the upload faster; may change from chunk to chunk. `always`: gzip for every
   * chunk that gets smaller. Default: the client's.
   */
  compression?: CompressionMode | undefined;
  /** Streams: how many bytes to keep until they are durable on the server, for sending them again. At the limit the stream waits. Default 64 MiB. */
  replayBytes?: number | undefined;
  /** Paths: remember the upload on disk, so that a later process resumes it. Default true. */
  resumable?: boolean | undefined;
  /** Aborting rejects with CANCELLED, a timeout (`AbortSignal.timeout`) with DEADLINE_EXCEEDED; a resumable upload is kept for the next call, any other is discarded. */
  signal?: AbortSignal | undefined;
  /** Called about ten times a second and at every change of phase; must not throw. */
  onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/**
 * - `checking`: bytes sent by an earlier run are read again, for the checksum of the whole
 * - `sending`: calls are open, or being opened
 * - `waiting`: the last attempt failed; the next one follows after a backoff
 * - `finishing`: all bytes have been sent; the server checks them and gives the file its name
 */
export type UploadPhase = 'checking' | 'sending' | 'waiting' | 'finishing';

export interface UploadProgress {
  readonly name: string;
  readonly phase: UploadPhase;
  /** Undefined for a stream of unknown size, until its end. */
  readonly sizeBytes: number | undefined;
  /** Bytes handed to the network, resumed ones included. Falls back when some have to be sent again. */
  readonly sentBytes: number;
  /** Bytes that the server has made durable, as of about a second ago. */
  readonly durableBytes: number;
  /** Bytes that an earlier run had sent. */
  readonly resumedBytes: number;
  /** 1, and one more for each interruption of any of the calls. */
  readonly attempt: number;
  /** Times the upload began again: the source changed, or the server had lost the upload. */
  readonly restarts: number;
}

export interface UploadResult extends CodecBytes {
  readonly bytes: number;
  /** Bytes that an earlier run had sent. */
  readonly resumedBytes: number;
  /** The version the file has on the server now. */
  readonly version: string;
  /** CRC-32 of the whole; undefined when `verify` is off. */
  readonly crc32: number | undefined;
  /** The server checked each chunk and the whole against the client's checksums. */
  readonly verified: boolean;
  readonly attempts: number;
  readonly restarts: number;
  /** Wall time of the upload. */
  readonly durationMs: number;
}

/** An upload with every default filled in. */
export interface UploadRequest {
  readonly name: string;
  readonly overwrite: OverwriteWish;
  /** Empty: any version. */
  readonly ifMatch: string;
  readonly size: number | undefined;
  readonly crc32: number | undefined;
  /** Empty when it is not known. */
  readonly sha256: Uint8Array;
  readonly attributes: FileAttributes;
  /** Undefined: by size. */
  readonly connections: number | undefined;
  readonly compression: CompressionMode;
  readonly replayBytes: number;
  readonly resumable: boolean;
}

const SHA256_BYTES = 32;

/** Throws INVALID_ARGUMENT, naming the option. */
export function uploadRequestOf(
  name: string,
  options: UploadOptions,
  client: ResolvedOptions,
): UploadRequest {
  const { connections, crc32, ifMatch = '', sha256, size } = options;
  const most = Number.MAX_SAFE_INTEGER;
  if (name === '') throw new TransferError('INVALID_ARGUMENT', 'the name of the file to write is empty');
  if (sha256 !== undefined && sha256.byteLength !== SHA256_BYTES) {
    throw new TransferError('INVALID_ARGUMENT', `sha256 has ${sha256.byteLength} bytes; it must have 32`);
  }
  return {
    name,
    overwrite: overwriteWish(options.overwrite ?? true, ifMatch),
    ifMatch,
    size: size === undefined ? undefined : inRange('size', size, 0, most),
    crc32: crc32 === undefined ? undefined : inRange('crc32', crc32, 0, 0xffff_ffff),
    sha256: sha256 ?? NO_SHA256,
    attributes: attributesOf(options),
    connections:
      connections === undefined ? undefined : inRange('connections', connections, 1, MAX_CONNECTIONS),
    compression: oneOf('compression', options.compression ?? client.compression, ['auto', 'never', 'always']),
    // Two chunks must fit: one in flight, one being read.
    replayBytes: inRange('replayBytes', options.replayBytes ?? 64 * MIB, 2 * client.chunkBytes, most),
    resumable: options.resumable ?? true,
  };
}

const NO_SHA256 = new Uint8Array(0);

/** What may be under the name, by the options `overwrite` and `ifMatch`. */
export function overwriteWish(overwrite: boolean, ifMatch: string): OverwriteWish {
  if (ifMatch !== '') return 'OVERWRITE_VERSION';
  return overwrite ? 'OVERWRITE_ALWAYS' : 'OVERWRITE_NEVER';
}
