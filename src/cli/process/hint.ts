/**
 * What to try next, for failures whose remedy is a flag or another command.
 * The messages of the layers below know neither.
 */
import { ERROR_CODES, type TransferError } from '../../base/errors.ts';

/** Words of Node and OpenSSL in a failed connection, and what they mean to the caller. */
const CONNECTION_HINTS: readonly (readonly [RegExp, string])[] = [
  [/wrong version number|packet length too long/i, 'the server speaks no TLS; --insecure connects without'],
  [
    /before secure TLS connection/,
    'the server ended the TLS handshake; if it speaks no TLS, --insecure connects without',
  ],
  [
    /self.signed|unable to (get|verify)|unknown ca/i,
    'the certificate is of no known authority; --ca names the one to trust',
  ],
  [/hostname|altname/i, 'the certificate is for another name; --server-name says which one to accept'],
  [
    /certificate required|handshake failure/i,
    'the server asks for a client certificate; give --cert and --key',
  ],
  [/ECONNREFUSED|ENOENT/, 'nothing listens there; is the port right, and is `sluice serve` running?'],
  [/Name resolution failed|ENOTFOUND/, 'the host name is unknown; is it spelled right?'],
  [/plaintext/, 'if the server wants TLS, add --tls (and --ca for an authority of your own)'],
];

/** Words about what stands where a file should be or go; links and devices say all themselves. */
const OBSTACLE_HINTS: readonly (readonly [string, string])[] = [
  [
    'is a directory',
    '`sluice get -r` gets and `sluice rm -r` removes all files below it; `sluice put` into it needs a "/" behind it',
  ],
  ['is not a directory', 'a file is in the way there; `sluice ls` shows what there is'],
];

/** One line, or undefined when the message says it all. */
export function hintFor(error: TransferError): string | undefined {
  switch (error.code) {
    case 'UNAVAILABLE':
      return CONNECTION_HINTS.find(([pattern]) => pattern.test(error.message))?.[1];
    case 'NOT_FOUND':
      return error.message.includes('did you mean') ? undefined : '`sluice ls` shows what there is';
    case 'READ_ONLY':
      return '`sluice serve --writable` takes uploads';
    case 'TAKEN_OVER':
      return 'the same file is being sent by another process; the newest one goes on';
    case 'ALREADY_EXISTS':
      return 'without --no-overwrite it is replaced';
    case 'NOT_A_FILE':
      return OBSTACLE_HINTS.find(([words]) => error.message.includes(words))?.[1];
    case 'INTERNAL':
      // Of the server: it is not ours to report.
      if (isOfCall(error)) return `the server's log has the cause${requestOf(error)}; -v shows what came`;
      return 'a defect; please report it; -v shows where it arose';
    case 'PROTOCOL_ERROR':
      return `${ERROR_CODES[error.code]}; -v shows where it arose`;
    default:
      return undefined;
  }
}

/** Where to look in the log of the server. */
function requestOf({ requestId }: TransferError): string {
  return requestId === undefined ? '' : `, of request ${requestId}`;
}

/** A server, or what answers in its place, has ended the call with it. */
function isOfCall({ cause }: TransferError): boolean {
  return typeof cause === 'object' && cause !== null && 'metadata' in cause;
}
