/** Why there is no connection, with the remedy: grpc-js wraps Node's message, or gives none. */
import type { ServiceError } from '@grpc/grpc-js';

/** grpc-js adds the time of day. */
const TIME_OF_DAY = / \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/;

const IN_OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ['Failed to connect', 'the connection was closed before HTTP/2 began'],
  ['Protocol error', 'the peer does not speak HTTP/2'],
  [
    'undefined',
    'the HTTP proxy that grpc_proxy, https_proxy or http_proxy names refuses the connection (no_proxy lists hosts to reach without it)',
  ],
]);

const OLD_TLS =
  'the server does not speak TLS 1.3; upgrade it, or accept TLS 1.2 (--tls-min-version 1.2, tls.minVersion of the library)';

/** How OpenSSL words the alert of a peer that has no version in common. */
const NO_COMMON_VERSION = /alert protocol version|unsupported protocol/;

/** `connect ECONNREFUSED …`; undefined where there was only no connection in time. */
export function connectProblem(failure: ServiceError | undefined): string | undefined {
  // Another call's timeout gave up the connection that this one waited for.
  if (failure === undefined || failure.details.startsWith('Channel closed')) return undefined;
  const problem = failure.details
    .replace(/^.*Last error: (Error: )?/, '')
    .replace(/\.? Resolution note: .*$/, '')
    .replace(TIME_OF_DAY, '');
  if (NO_COMMON_VERSION.test(problem)) return OLD_TLS;
  return IN_OTHER_WORDS.get(problem) ?? problem;
}
