/**
 * The one place where errors of an object store become `TransferError`s. Messages
 * name the file as the peer named it; what the store said stays in `cause`.
 */
import { type ErrorCode, errnoOf, TransferError } from '../../base/errors.ts';
import { quoteName } from '../quoted-name.ts';

/** Codes of the store that say more than their status. */
const CODE_OF_NAME: Readonly<Record<string, ErrorCode>> = {
  NoSuchBucket: 'UNAVAILABLE',
  InvalidAccessKeyId: 'UNAVAILABLE',
  SignatureDoesNotMatch: 'UNAVAILABLE',
  ExpiredToken: 'UNAVAILABLE',
  InvalidToken: 'UNAVAILABLE',
  RequestTimeTooSkewed: 'UNAVAILABLE',
  AuthorizationHeaderMalformed: 'UNAVAILABLE',
  PermanentRedirect: 'UNAVAILABLE',
  RequestTimeout: 'UNAVAILABLE',
  BadDigest: 'UNAVAILABLE',
  XAmzContentSHA256Mismatch: 'UNAVAILABLE',
  QuotaExceeded: 'DISK_FULL',
  EntityTooLarge: 'TOO_LARGE',
  KeyTooLongError: 'INVALID_NAME',
};

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'UNAVAILABLE',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'UNAVAILABLE',
  409: 'UNAVAILABLE',
  412: 'VERSION_MISMATCH',
  429: 'UNAVAILABLE',
  501: 'UNIMPLEMENTED',
  507: 'DISK_FULL',
};

/** The request was cut or damaged on its way to the store. */
const BROKEN_ON_THE_WAY: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
]);

/** Nothing is gained by asking again: the SDK found no credentials, or could not use those it found. */
const NO_CREDENTIALS = /Credentials|TokenProvider|SSOToken/;

/** What came is not what the store keeps a checksum of. */
export class DamagedObject extends Error {
  constructor() {
    super('the object does not have the checksum that the object store keeps of it');
  }
}

/** What the store called its refusal; undefined where it did not answer. */
interface Refusal {
  readonly name: string;
  readonly status: number;
}

function refusalOf(reason: unknown): Refusal | undefined {
  if (!(reason instanceof Error) || !('$metadata' in reason)) return undefined;
  const { httpStatusCode: status } = reason.$metadata as { httpStatusCode?: number };
  return status === undefined ? undefined : { name: reason.name, status };
}

/** The HTTP status of a refusal; undefined where there was no answer. */
export function statusOf(reason: unknown): number | undefined {
  return refusalOf(reason)?.status;
}

/** Whether the same request may have another result a moment later. */
export function isTransient(reason: unknown): boolean {
  if (reason instanceof TransferError) return false;
  const refusal = refusalOf(reason);
  if (refusal === undefined) return !(reason instanceof Error && NO_CREDENTIALS.test(reason.name));
  const { name, status } = refusal;
  if (BROKEN_ON_THE_WAY.has(name)) return true;
  return [408, 409, 429].includes(status) || (status >= 500 && status !== 501 && status !== 507);
}

/** `reason` itself when it is a TransferError; otherwise what it means, met at the file `name` ('' is none). */
export function toS3Error(reason: unknown, name: string): TransferError {
  if (reason instanceof TransferError) return reason;
  if (reason instanceof Error && reason.name === 'AbortError') return TransferError.from(reason);
  const code = codeOf(reason);
  return new TransferError(code, messageOf(code, name), { cause: reason });
}

/** What the store said, for the operator: its code, or the name of a system error. */
export function saidOf(reason: unknown): string {
  const refusal = refusalOf(reason);
  if (refusal !== undefined) return `${refusal.name} (HTTP ${refusal.status})`;
  return errnoOf(reason) ?? (reason instanceof Error ? reason.message : String(reason));
}

function codeOf(reason: unknown): ErrorCode {
  if (reason instanceof DamagedObject) return 'DATA_LOSS';
  const refusal = refusalOf(reason);
  if (refusal === undefined) return 'UNAVAILABLE';
  const { name, status } = refusal;
  return CODE_OF_NAME[name] ?? CODE_OF_STATUS[status] ?? (status >= 500 ? 'UNAVAILABLE' : 'INTERNAL');
}

function messageOf(code: ErrorCode, name: string): string {
  const what = name === '' ? 'the root of the store' : quoteName(name);
  switch (code) {
    case 'NOT_FOUND':
      return `there is no ${what}`;
    case 'PERMISSION_DENIED':
      return `the object store refuses ${what} to the server; its operator can grant the permission`;
    case 'VERSION_MISMATCH':
      return `${what} does not have the version asked for; start over with the present version`;
    case 'DATA_LOSS':
      return `${what} does not have the checksum that the object store keeps of it; upload it again`;
    case 'UNAVAILABLE':
      return 'the object store behind the server does not answer, or not to this server; resume';
    case 'DISK_FULL':
      return 'the object store has no more room for this server; resume when there is room';
    case 'TOO_LARGE':
      return `${what} is larger than the object store accepts`;
    case 'INVALID_NAME':
      return `the object store does not take the name ${what}; use a shorter or plainer one`;
    case 'UNIMPLEMENTED':
      return 'the object store behind the server cannot do this';
    default:
      return `the object store refused a request for ${what}; the log of the server has the cause`;
  }
}
