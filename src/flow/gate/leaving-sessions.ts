/**
 * The sessions of a server, and their GOAWAY. Who has just connected has a request
 * on its way, which a GOAWAY ahead of it would refuse, and not every client tries
 * that again: a young session gets GOAWAY behind its first requests.
 *
 * On any other session a request may be refused as well. The two GOAWAYs of RFC
 * 9113, 6.8 would prevent that, but cannot be sent: behind the first one, nghttp2
 * takes no new stream, unless it knows the frame as a notice, for which Node has
 * no call.
 */
import type { ServerHttp2Session } from 'node:http2';

/** As long as a session without a request is young: the round trips of a handshake. */
const YOUNG_MS = 1000;

export class LeavingSessions {
  /** With the time up to which the first request is waited for; that has come where it is 0. */
  readonly #open = new Map<ServerHttp2Session, number>();
  #isLeaving = false;

  add(session: ServerHttp2Session): void {
    const youngUntilMs = performance.now() + YOUNG_MS;
    this.#open.set(session, youngUntilMs);
    session.once('stream', () => this.#open.set(session, 0));
    session.once('close', () => this.#open.delete(session));
    if (this.#isLeaving) void leave(session, YOUNG_MS);
  }

  /** Resolves when no new request can come, after `graceMs` at the latest; calls under way go on. */
  async goAway(graceMs: number): Promise<void> {
    this.#isLeaving = true;
    const nowMs = performance.now();
    await Promise.all(
      [...this.#open].map(([session, youngUntilMs]) =>
        leave(session, Math.min(youngUntilMs - nowMs, graceMs)),
      ),
    );
  }
}

/** Closes the session behind its first streams, which may take up to `waitMs`. */
async function leave(session: ServerHttp2Session, waitMs: number): Promise<void> {
  if (waitMs > 0) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      const settle = () => {
        clearTimeout(timer);
        // All streams of one read are taken.
        setImmediate(resolve);
      };
      session.once('stream', settle);
      session.once('close', settle);
    });
  }
  session.close();
}
