/**
 * The one error type of sluice and the closed table of its codes.
 *
 * Errors of operation are `TransferError`s; programmer errors are plain
 * `Error`s from assertions. `wire/status.ts` is the only place that maps codes
 * to gRPC status and back. `cause` is for logs and never crosses the wire.
 */
import { constants } from 'node:os';

/** Every code a `TransferError` can have, with what it means and what to do. */
export const ERROR_CODES = {
  INVALID_ARGUMENT: 'a field or option has a value that can never be right; correct it',
  INVALID_NAME: 'the file name is not valid; names are relative, "/"-separated and contain no ".."',
  NOT_FOUND: 'there is no such file; list the directory to see what there is',
  NOT_A_FILE:
    'the name is a directory, a FIFO, a device or on another file system; only regular files are served',
  NOT_EMPTY:
    'the directory is not empty, perhaps because of entries that are not listed; only empty directories are removed',
  ALREADY_EXISTS:
    'a file of that name exists, and the transfer may not replace it; choose another name or overwrite it',
  UPLOAD_NOT_FOUND: 'there is no such upload: it expired, was aborted or never began; start a new one',
  OUT_OF_RANGE: 'the start lies beyond the end of the file',
  GAP: 'the chunk leaves a gap after the bytes received so far; the message names the offset to send from',
  VERSION_MISMATCH: 'the file does not have the version asked for; start over with the present version',
  FILE_CHANGED: 'the file changed during the transfer; start over with the new version',
  STALLED: 'the peer took or sent no bytes within the stall timeout; resume',
  EVICTED: 'the server was full and gave the place of this call to another peer; resume',
  ABORTED: 'the server ended the call without a reason; ask for the state and resume',
  TAKEN_OVER:
    'a newer call writes the same range of the upload, or finishes it; ask for the state and resume',
  CONTENT_MISMATCH: 'length or checksum of the uploaded bytes is not what was declared; start over',
  RESOURCE_EXHAUSTED: 'a limit of the server is reached; try again later',
  QUOTA_EXCEEDED:
    'what may be stored below a name is used up; delete files there, or ask the operator for more',
  DISK_FULL:
    'the disk of the server is full, or would have less free space than the server keeps; resume when there is room',
  TOO_LARGE: 'the file is larger than the server or its file system accepts',
  READ_ONLY: 'the server is read-only; start it with --writable',
  WRITE_FAILED: 'the server could not store bytes; ask for the state and resume',
  PERMISSION_DENIED:
    'the caller, or the server itself, may not do this with the file; the operator of the server can grant the right',
  UNAUTHENTICATED:
    'the server does not know who calls, or the proof has expired; send a valid token or certificate, and resume',
  UNAVAILABLE: 'the server cannot be reached, is draining or is restarting; resume',
  CANCELLED: 'the caller cancelled the transfer',
  CANCELLED_BY_OPERATOR: 'an operator of the server ended the call; ask them before you start it again',
  DEADLINE_EXCEEDED: 'the deadline of the call or the timeout of the caller passed; resume',
  DATA_LOSS: 'stored bytes cannot be read, or do not have the checksum that is stored with them',
  CHECKSUM_MISMATCH: 'bytes arrived damaged; the transfer is retried',
  PROTOCOL_ERROR: 'the peer violated the protocol',
  LOCAL_IO: 'reading or writing a local file failed',
  INCOMPLETE: 'only part was done; the message says what was left out and why',
  INVALID_CONFIG: 'the configuration cannot be used; the message names the key and the reason',
  UNIMPLEMENTED: 'the peer does not implement this call',
  INTERNAL: 'a failure inside the server, whose log has the cause, or a bug in this library',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface TransferErrorOptions {
  /** The underlying error, for logs only. */
  cause?: unknown;
  /** The version the file has now, where it is known. */
  version?: string | undefined;
}

/** An operational error, caused from outside the program. */
export class TransferError extends Error {
  override readonly name = 'TransferError';
  readonly code: ErrorCode;
  readonly version: string | undefined;
  /** Of a call that failed: its id in the log of the server. */
  requestId: string | undefined;

  constructor(code: ErrorCode, message: string, options: TransferErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.version = options.version;
  }

  /** `reason` itself when it is a TransferError; otherwise an INTERNAL one around it. */
  static from(reason: unknown): TransferError {
    if (reason instanceof TransferError) return reason;
    if (isAbort(reason)) return cancellation(reason);
    const message = reason instanceof Error ? reason.message : String(reason);
    return new TransferError('INTERNAL', message, { cause: reason });
  }
}

/** The error for an aborted signal: DEADLINE_EXCEEDED for `AbortSignal.timeout`, else CANCELLED. */
export function cancellation(reason: unknown): TransferError {
  return isTimeout(reason)
    ? new TransferError('DEADLINE_EXCEEDED', "the caller's timeout passed", { cause: reason })
    : new TransferError('CANCELLED', 'the transfer was cancelled', { cause: reason });
}

/** For calls that end with their server. */
export function stopping(): TransferError {
  return new TransferError('UNAVAILABLE', 'the server is stopping; resume');
}

function isAbort(reason: unknown): boolean {
  return isTimeout(reason) || (reason instanceof Error && reason.name === 'AbortError');
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError';
}

/** The `errno` name (such as `ENOENT`) of a system error, or undefined. */
export function errnoOf(reason: unknown): string | undefined {
  if (typeof reason !== 'object' || reason === null || !('code' in reason)) return undefined;
  if (typeof reason.code !== 'string') return undefined;
  const isNamed = !UNNAMED.test(reason.code) || !('errno' in reason);
  return isNamed ? reason.code : nameOfErrno(Math.abs(Number(reason.errno)));
}

/** How asynchronous and synchronous calls of Node name errors that libuv does not know, such as EDQUOT. */
const UNNAMED = /^(?:Unknown system error .*|UNKNOWN)$/;

/** Some have no name in Node either, such as EUCLEAN (117 on Linux), which a damaged ext4 gives: E117. */
function nameOfErrno(errno: number): string {
  const named = Object.entries(constants.errno).find(([, value]) => value === errno);
  return named?.[0] ?? `E${errno}`;
}
