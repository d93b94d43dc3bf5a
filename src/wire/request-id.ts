/**
 * The id of a request: chosen by the client or made by the server, and the same
 * in the client's error, the server's answer and the server's log.
 */
import { randomUUID } from 'node:crypto';

/** The metadata key, of requests and of answers. */
export const REQUEST_ID = 'x-request-id';

/** Visible characters that need no quoting in a log. */
const VALID = /^[\w.:+/=@-]{1,128}$/;

/** The id that a peer gave, where it is one; otherwise a new one. */
export function requestIdOf(given: unknown): string {
  return typeof given === 'string' && VALID.test(given) ? given : randomUUID();
}
