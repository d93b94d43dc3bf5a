/**
 * What the HTTP/2 of Node does to a session that ends before its time.
 *
 * Within a read, Node 22 aborts the process when a session is destroyed and a
 * stream that follows has data (nodejs/node#64850). A peer can have that with a
 * GOAWAY that has an error: so sessions are destroyed behind the read.
 *
 * Some violations, such as DATA on a stream that never was, make nghttp2 end the
 * session by itself: it sends GOAWAY, and then neither reads nor writes. Node 22
 * notices. Node 20 does not, and as nothing is read, not even the end of the
 * peer is seen: the connection and its calls keep their places until keepalive
 * gives up. Such a session is recognised by a PING that is never written.
 */
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

const LOOK_EVERY_MS = 3000;

/** The private handle of a socket; where it lacks these numbers, nothing is closed here. */
interface CountingHandle {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
}

/** From now on, whoever destroys `session` does so in the next turn of the event loop; Node itself does, too. */
export function destroyBehindReads(session: ServerHttp2Session): void {
  const destroy = session.destroy.bind(session);
  session.destroy = (...args) => {
    setImmediate(() => destroy(...args));
  };
}

/** Destroys `session` some seconds after it broke; `socket` is the one below it. */
export function destroyOnceBroken(
  session: ServerHttp2Session,
  socket: Socket,
  lookEveryMs = LOOK_EVERY_MS,
): void {
  const { _handle } = socket as unknown as { _handle?: CountingHandle | null };
  const handle = _handle ?? {};
  let streams = 0;
  session.on('stream', (stream) => {
    streams += 1;
    stream.once('close', () => {
      streams -= 1;
    });
  });
  /** At the last look. */
  let readBytes: number | undefined;
  /** Before the PING, of which one is enough for each silence: only what it reads can break a session. */
  let writtenBytes: number | undefined;
  const look = () => {
    // Without streams it costs no more than any idle connection, and ends as one.
    if (streams === 0 || handle.bytesRead !== readBytes) {
      readBytes = handle.bytesRead;
      writtenBytes = undefined;
    } else if (writtenBytes === undefined) {
      // A write that waits for the peer holds the PING up, and proves as much.
      if (handle.writeQueueSize === 0 && session.ping(() => {})) writtenBytes = handle.bytesWritten;
    } else if (handle.bytesWritten === writtenBytes) session.destroy();
  };
  const timer = setInterval(look, lookEveryMs).unref();
  session.once('close', () => clearInterval(timer));
}
