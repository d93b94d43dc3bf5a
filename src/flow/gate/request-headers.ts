/** Checks the headers of a request before anything answers it. */
import type { IncomingHttpHeaders } from 'node:http2';
import { MAX_HEADER_BYTES, MAX_HEADER_FIELDS } from '../../base/limits.ts';

/** Counted for each field beside name and value (RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE). */
const FIELD_OVERHEAD_BYTES = 32;

/**
 * Whether there are more header bytes or fields than a request may have.
 *
 * @param list names and values, one after the other, as received: their lengths
 *   are known, while a value joined from repeated fields would have to be made
 */
export function exceedsBounds(list: readonly string[]): boolean {
  if (list.length > 2 * MAX_HEADER_FIELDS) return true;
  let bytes = (list.length / 2) * FIELD_OVERHEAD_BYTES;
  for (const text of list) bytes += text.length;
  return bytes > MAX_HEADER_BYTES;
}

/** The answer to a request that is no gRPC call. */
export interface ForeignAnswer {
  status: 405 | 415;
  text: string;
}

/** What speaks here, for whoever expected something else. */
export const WHAT_SPEAKS_HERE =
  'This is a sluice server: it speaks gRPC over HTTP/2. Use the sluice command or a gRPC client.';

/** Undefined for a gRPC call. */
export function foreignAnswer(headers: IncomingHttpHeaders): ForeignAnswer | undefined {
  if (headers[':method'] !== 'POST') return { status: 405, text: WHAT_SPEAKS_HERE };
  const { 'content-type': type } = headers;
  // With a codec or parameters too, but not application/grpc-web.
  if (type === 'application/grpc' || (type !== undefined && /^application\/grpc[+; ]/.test(type)))
    return undefined;
  return {
    status: 415,
    text: `${WHAT_SPEAKS_HERE} Content types other than application/grpc, gRPC-Web among them, are not taken.`,
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000 };

/** grpc-js takes longer times for the past. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Removes a `grpc-timeout` that no timer can hold, more than 24 days: it is no deadline. */
export function dropEndlessTimeout(headers: IncomingHttpHeaders): void {
  const { 'grpc-timeout': timeout } = headers;
  if (typeof timeout !== 'string') return;
  const [, digits, unit = ''] = /^(\d{1,8})([HMS])$/.exec(timeout) ?? [];
  if (digits !== undefined && Number(digits) * (UNIT_MS[unit] ?? 0) > MAX_TIMER_MS)
    delete headers['grpc-timeout'];
}
