/** Detects the protocol of a peer by its first bytes, before an HTTP/2 session is made. */
import type { Socket } from 'node:net';
import { WHAT_SPEAKS_HERE } from '../flow/gate/request-headers.ts';

export type Protocol = 'HTTP/2' | 'HTTP/1' | 'TLS' | 'unknown';

/** The first bytes of HTTP/2's preface; no other request begins with them. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

const TLS_HANDSHAKE = 0x16;

/** For whoever expects HTTP/1: it is no longer than one line on a terminal or two. */
export const HTTP1_ANSWER = [
  'HTTP/1.1 400 Bad Request',
  'content-type: text/plain; charset=utf-8',
  `content-length: ${WHAT_SPEAKS_HERE.length + 1}`,
  'connection: close',
  '',
  `${WHAT_SPEAKS_HERE}\n`,
].join('\r\n');

/** Calls `known` once the first bytes tell; they are still to be read then. Never, when too few come. */
export function watchProtocol(socket: Socket, known: (protocol: Protocol) => void): void {
  let first: Buffer = Buffer.alloc(0);
  const look = () => {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    first = first.length === 0 ? bytes : Buffer.concat([first, bytes]);
    const protocol = protocolOf(first);
    if (protocol === undefined) return;
    socket.removeListener('readable', look);
    socket.unshift(first);
    known(protocol);
  };
  socket.on('readable', look);
}

/** Undefined while ambiguous. */
function protocolOf(first: Buffer): Protocol | undefined {
  const length = Math.min(first.length, PREFACE.length);
  if (length > 0 && first[0] === TLS_HANDSHAKE) return 'TLS';
  if (first.compare(PREFACE, 0, length, 0, length) === 0)
    return length === PREFACE.length ? 'HTTP/2' : undefined;
  return /^[A-Za-z]/.test(first.toString('latin1', 0, 1)) ? 'HTTP/1' : 'unknown';
}
