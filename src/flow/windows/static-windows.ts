/**
 * Receive windows of one size for a server's connections. grpc-js leaves them
 * at the 64 KiB of HTTP/2 and has no option for it; a session is reached
 * through the first upload on it, whose window grows with the settings.
 *
 * Node returns the credit of a connection as soon as bytes arrive and that of a
 * stream only when they are read: so an unread stream can pile up only its own
 * window, whatever the connection's.
 */
import type { Http2Session, Http2Stream } from 'node:http2';
import { MIB } from '../../base/units.ts';
import type { StreamWindows, WindowStats } from './receive-windows.ts';

/** Enough for many streams at once; nothing is ever stored against it. */
const CONNECTION_WINDOW_BYTES = 64 * MIB;

export class StaticWindows implements StreamWindows {
  #windowBytes: number;
  readonly #sessions = new Set<Http2Session>();

  /** @param windowBytes of each stream, also of those that exist when their session is met */
  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  follow(stream: Http2Stream | undefined): void {
    const session = stream?.session;
    if (session === undefined || session.destroyed || this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.settings({ initialWindowSize: this.#windowBytes });
    session.setLocalWindowSize(Math.max(CONNECTION_WINDOW_BYTES, this.#windowBytes));
  }

  /** Another size from now on, also of streams that exist. What peers have sent by then still comes. */
  resize(windowBytes: number): void {
    if (windowBytes === this.#windowBytes) return;
    this.#windowBytes = windowBytes;
    for (const session of this.#sessions)
      if (!session.destroyed) session.settings({ initialWindowSize: windowBytes });
  }

  /** Nothing is followed. */
  stats(): WindowStats {
    return { sessions: 0, grantedBytes: 0, largestWindowBytes: this.#windowBytes };
  }

  close(): void {}
}
