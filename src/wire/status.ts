/**
 * The only place where error codes become gRPC status and back.
 *
 * The stable code travels in the trailer `sluice-code`, the file's present
 * version in `sluice-version`; a peer that reads neither still gets a fitting
 * status. Details are made well-formed and short here, because a lone
 * surrogate throws inside grpc-js.
 */
import type { ServiceError, StatusObject } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import { ERROR_CODES, type ErrorCode, TransferError } from '../base/errors.ts';
import type { Failure } from './messages.ts';

/** Has the code of every error that a sluice server itself ends a call with. */
export const CODE_TRAILER = 'sluice-code';
const VERSION_TRAILER = 'sluice-version';
/** When to try again; clients of gRPC that retry obey it. */
const PUSHBACK = 'grpc-retry-pushback-ms';

/** Jittered, because those that were refused together must not come back together. */
const PUSHBACK_MS = 1000;

const MAX_DETAILS_CHARS = 1024;

/** The message of grpc-js for a unary call that ends with OK and no message. */
const NO_MESSAGE = 'No message received';

const UNKNOWN_COMPRESSION =
  'the server sent a message in a compression that it did not name or that this client did not offer; let it compress with gzip or deflate, or not at all';

const STATUS_OF_CODE: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  INVALID_NAME: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  NOT_A_FILE: status.FAILED_PRECONDITION,
  NOT_EMPTY: status.FAILED_PRECONDITION,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  UPLOAD_NOT_FOUND: status.NOT_FOUND,
  OUT_OF_RANGE: status.OUT_OF_RANGE,
  GAP: status.OUT_OF_RANGE,
  VERSION_MISMATCH: status.FAILED_PRECONDITION,
  FILE_CHANGED: status.ABORTED,
  STALLED: status.ABORTED,
  EVICTED: status.ABORTED,
  ABORTED: status.ABORTED,
  TAKEN_OVER: status.ABORTED,
  CONTENT_MISMATCH: status.FAILED_PRECONDITION,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  QUOTA_EXCEEDED: status.RESOURCE_EXHAUSTED,
  DISK_FULL: status.RESOURCE_EXHAUSTED,
  TOO_LARGE: status.RESOURCE_EXHAUSTED,
  READ_ONLY: status.PERMISSION_DENIED,
  WRITE_FAILED: status.ABORTED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  UNAVAILABLE: status.UNAVAILABLE,
  CANCELLED: status.CANCELLED,
  CANCELLED_BY_OPERATOR: status.CANCELLED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  DATA_LOSS: status.DATA_LOSS,
  CHECKSUM_MISMATCH: status.DATA_LOSS,
  PROTOCOL_ERROR: status.INTERNAL,
  LOCAL_IO: status.INTERNAL,
  INCOMPLETE: status.INTERNAL,
  INVALID_CONFIG: status.INTERNAL,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  INTERNAL: status.INTERNAL,
};

/** For a peer that sends no `sluice-code`: the closest code of each status. */
const CODE_OF_STATUS: ReadonlyMap<status, ErrorCode> = new Map([
  [status.CANCELLED, 'CANCELLED'],
  [status.INVALID_ARGUMENT, 'INVALID_ARGUMENT'],
  [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED'],
  [status.NOT_FOUND, 'NOT_FOUND'],
  [status.ALREADY_EXISTS, 'ALREADY_EXISTS'],
  [status.PERMISSION_DENIED, 'PERMISSION_DENIED'],
  [status.RESOURCE_EXHAUSTED, 'RESOURCE_EXHAUSTED'],
  [status.FAILED_PRECONDITION, 'VERSION_MISMATCH'],
  [status.ABORTED, 'ABORTED'],
  [status.OUT_OF_RANGE, 'OUT_OF_RANGE'],
  [status.UNIMPLEMENTED, 'UNIMPLEMENTED'],
  [status.UNAVAILABLE, 'UNAVAILABLE'],
  [status.DATA_LOSS, 'DATA_LOSS'],
  [status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
]);

/** The status that ends a call with this error. */
export function statusOf(error: TransferError): StatusObject {
  const metadata = new Metadata();
  metadata.set(CODE_TRAILER, error.code);
  if (error.version !== undefined) metadata.set(VERSION_TRAILER, error.version);
  if (error.code === 'RESOURCE_EXHAUSTED') metadata.set(PUSHBACK, String(pushbackMs()));
  return { code: STATUS_OF_CODE[error.code], details: presentable(error), metadata };
}

function pushbackMs(): number {
  return Math.round(PUSHBACK_MS * (1 + Math.random()));
}

/** The same, of a part of a call: one request of an Exchange, one file of a pack. */
export function failureOf(error: TransferError): Failure {
  const { code, version = '' } = error;
  return { code: STATUS_OF_CODE[code], message: presentable(error), sluiceCode: code, version };
}

/** The text of an error for a peer. That of a defect stays in the log: it may name a path of the server. */
export function presentable(error: TransferError): string {
  const text = error.code === 'INTERNAL' ? 'internal error; the server log has the cause' : error.message;
  return text.slice(0, MAX_DETAILS_CHARS).toWellFormed();
}

/** What a failed call means, from the error grpc-js gives the client. */
export function errorOfStatus(failure: ServiceError): TransferError {
  if (isWithoutStatus(failure)) return new TransferError('PROTOCOL_ERROR', UNKNOWN_COMPRESSION);
  const code = codeOfTrailer(failure.metadata) ?? CODE_OF_STATUS.get(failure.code) ?? 'INTERNAL';
  const version = failure.metadata?.get(VERSION_TRAILER)[0];
  return new TransferError(code, textOf(failure), {
    cause: failure,
    ...(typeof version === 'string' && version.length <= MAX_DETAILS_CHARS ? { version } : {}),
  });
}

/** What the failure of one request of an Exchange, or of one file of a pack, means. */
export function errorOfFailure({ code, message, sluiceCode, version }: Failure): TransferError {
  const meaning = knownCode(sluiceCode) ?? CODE_OF_STATUS.get(code) ?? 'INTERNAL';
  const text = message === '' ? withoutReason('request', code) : message.slice(0, MAX_DETAILS_CHARS);
  const isTold = version !== '' && version.length <= MAX_DETAILS_CHARS;
  return new TransferError(meaning, text, isTold ? { version } : {});
}

/**
 * When grpc-js cannot decompress a message, it ends the call with "undefined
 * undefined: undefined". Such an error says nothing and is no useful cause.
 */
function isWithoutStatus({ code }: { code?: unknown }): boolean {
  return code === undefined;
}

/** The server sent the code itself; it was not derived from the status, which many codes share. */
export function isStated({ cause }: TransferError): boolean {
  if (typeof cause !== 'object' || cause === null || !('metadata' in cause)) return true;
  return codeOfTrailer((cause as ServiceError).metadata) !== undefined;
}

function textOf({ code, details }: ServiceError): string {
  if (details === NO_MESSAGE) return 'the server ended the call without an answer';
  if (details) return details.slice(0, MAX_DETAILS_CHARS);
  return withoutReason('call', code);
}

function withoutReason(what: string, code: number): string {
  const known = status[code] ?? `${code}, which is none of gRPC's`;
  return `the server ended the ${what} with status ${known} and without a reason`;
}

/** The code in the headers or trailers that ended a call; undefined where they end none. */
export function codeSentIn(headers: Readonly<Record<string, unknown>>): ErrorCode | 'OK' | undefined {
  const { 'grpc-status': sent } = headers;
  if (sent === undefined) return undefined;
  const code = Number(sent);
  return code === status.OK
    ? 'OK'
    : (knownCode(headers[CODE_TRAILER]) ?? CODE_OF_STATUS.get(code) ?? 'INTERNAL');
}

function codeOfTrailer(metadata: Metadata | undefined): ErrorCode | undefined {
  return knownCode(metadata?.get(CODE_TRAILER)[0]);
}

function knownCode(sent: unknown): ErrorCode | undefined {
  return typeof sent === 'string' && Object.hasOwn(ERROR_CODES, sent) ? (sent as ErrorCode) : undefined;
}
