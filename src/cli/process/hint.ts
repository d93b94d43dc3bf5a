/**
 * What to try next, for failures whose remedy is a flag or another command.
 * The messages of the layers below know neither.
 */
import { ERROR_CODES, type TransferError } from '../../base/errors.ts';

/** Messages of Node and OpenSSL about a failed connection, and what they mean to the user. */
const CONNECTION_HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|packet length too long/i,
    'the server does not use TLS; --insecure connects without TLS',
  ],
  [
    /before secure TLS connection/,
    'the server ended the TLS handshake; if it does not use TLS, --insecure connects without TLS',
  ],
  [
    /self.signed|unable to (get|verify)|unknown ca/i,
    'the certificate is not signed by a known authority; --ca names the one to trust',
  ],
  [/hostname|altname/i, 'the certificate is for another name; --server-name says which name to accept'],
  [
    /certificate required|handshake failure/i,
    'the server asks for a client certificate; give --cert and --key',
  ],
  [/ECONNREFUSED|ENOENT/, 'is the port right, and is `sluice serve` running?'],
  [
    /plaintext\?/,
    'is the port right? if the server wants TLS, add --tls (and --ca for an authority of your own)',
  ],
];

/** Obstacles in the place of a file; messages about links and devices need no hint. */
const OBSTACLE_HINTS: readonly (readonly [string, string])[] = [
  [
    'is a directory',
    'use `sluice get -r` or `sluice rm -r` for a directory, `sluice ls` for what is in it; for `sluice put` into a directory, end the target with "/"',
  ],
  ['is not a directory', 'a file is in the way; `sluice ls` shows what is there'],
];

/** One line, or undefined when the message says it all. */
export function hintFor(error: TransferError): string | undefined {
  switch (error.code) {
    case 'UNAVAILABLE':
      // Others come from a server, or from the store behind one.
      if (!error.message.includes('cannot connect to')) return undefined;
      return CONNECTION_HINTS.find(([pattern]) => pattern.test(error.message))?.[1];
    case 'NOT_FOUND':
      return error.message.includes('did you mean') ? undefined : '`sluice ls` shows what is there';
    case 'READ_ONLY':
      return '`sluice serve --writable` accepts uploads';
    case 'UNAUTHENTICATED':
      return '--token-file or SLUICE_TOKEN gives a token; `sluice token` makes one for an access file';
    case 'TAKEN_OVER':
      return 'another process is sending the same file; the newest one wins';
    case 'ALREADY_EXISTS':
      return 'without --no-overwrite it would be replaced';
    case 'NOT_A_FILE':
      return OBSTACLE_HINTS.find(([words]) => error.message.includes(words))?.[1];
    case 'INTERNAL':
      // A defect of the server is not one of this program.
      if (isOfCall(error))
        return `the server's log has the cause${requestOf(error)}; -v shows what the server sent`;
      return 'a bug; please report it with the output of -v';
    case 'PROTOCOL_ERROR':
      return `${ERROR_CODES[error.code]}; -v shows the stack`;
    default:
      return undefined;
  }
}

/** Where to look in the log of the server. */
function requestOf({ requestId }: TransferError): string {
  return requestId === undefined ? '' : `, of request ${requestId}`;
}

/** The call was ended by a server, or by a proxy in between. */
function isOfCall({ cause }: TransferError): boolean {
  return typeof cause === 'object' && cause !== null && 'metadata' in cause;
}
