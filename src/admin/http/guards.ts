/**
 * What keeps other web sites away from the admin listener, which a browser on the
 * operator's machine reaches without asking.
 */
import { TransferError } from '../../base/errors.ts';
import { isLoopback, parseListenAddress } from '../../config/listen-address.ts';

/** Requests that change something carry it. Another site cannot send it without asking first, and is never answered. */
const OWN_HEADER = 'sluice-admin';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** For every answer. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * A name that another site has made point to this machine (DNS rebinding) is none of the loopback interface.
 *
 * @throws TransferError PERMISSION_DENIED
 */
export function requireLocalHost({ host }: Headers): void {
  if (typeof host === 'string' && isLocalHost(host)) return;
  throw new TransferError(
    'PERMISSION_DENIED',
    'the host of the address is not one of this machine; use 127.0.0.1 or localhost',
  );
}

/** Throws PERMISSION_DENIED. */
export function requireOwnHeader(headers: Headers): void {
  if (headers[OWN_HEADER] !== undefined) return;
  throw new TransferError(
    'PERMISSION_DENIED',
    `a request that changes something needs the header ${OWN_HEADER}: 1`,
  );
}

function isLocalHost(host: string): boolean {
  try {
    return isLoopback(parseListenAddress(/:\d+$/.test(host) ? host : `${host}:80`));
  } catch {
    return false;
  }
}
