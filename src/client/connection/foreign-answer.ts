/**
 * Answers that are not gRPC: from a web server, a login page, a proxy whose
 * server is down. They are recognised by their content type; grpc-js only
 * complains about malformed messages.
 */
import type { ServiceError } from '@grpc/grpc-js';
import { type ErrorCode, TransferError } from '../../base/errors.ts';

const GRPC_TYPE = /^application\/grpc(?![\w-])/;
const HTTP_STATUS = /^Received HTTP status code (\d+)/;

/** HTTP statuses after which another try, or other credentials, may succeed. */
const CODE_OF_HTTP_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [429, 'UNAVAILABLE'],
  [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'],
  [504, 'UNAVAILABLE'],
]);

const REMEDY: Partial<Record<ErrorCode, string>> = {
  UNAVAILABLE: 'a proxy or load balancer answers, and the server behind it does not',
  UNAUTHENTICATED: 'a proxy asks for credentials',
  PERMISSION_DENIED: 'a proxy refuses the call',
};

/** The peer chooses the content type. */
const MAX_TYPE_CHARS = 100;

export function isForeignType(contentType: unknown): contentType is string {
  return typeof contentType === 'string' && !GRPC_TYPE.test(contentType);
}

/** The error for a failed call that no gRPC server has answered; undefined for all others. */
export function foreignAnswer(
  failure: ServiceError,
  contentType: unknown,
  address: string,
): TransferError | undefined {
  const found = HTTP_STATUS.exec(failure.details ?? '')?.[1];
  const isForeign = isForeignType(contentType);
  if (found === undefined && !isForeign) return undefined;
  const httpStatus = Number(found ?? 200);
  const type = isForeign ? ` and content type ${contentType.slice(0, MAX_TYPE_CHARS)}` : '';
  const code = CODE_OF_HTTP_STATUS.get(httpStatus) ?? 'UNIMPLEMENTED';
  const remedy = REMEDY[code] ?? 'this is not a gRPC server; are host name and port right?';
  const message = `${address} answered with HTTP status ${httpStatus}${type}: ${remedy}`;
  return new TransferError(code, message, { cause: failure });
}
