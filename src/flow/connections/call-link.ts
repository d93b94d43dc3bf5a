/** The link below a call of a client: the windows in force, and the round trip. */
import type { Http2Session } from 'node:http2';
import { clientStreamOf } from '../calls/call-stream.ts';
import { pingBarrier } from '../calls/ping-barrier.ts';
import { mayMeasure } from './calm-peers.ts';

/** Each connection is pinged once, on the first question. */
const roundTripsMs = new WeakMap<Http2Session, { value: number | undefined }>();

export class CallLink {
  readonly #session: Http2Session;
  readonly #roundTripMs: { readonly value: number | undefined };

  private constructor(session: Http2Session, roundTripMs: { readonly value: number | undefined }) {
    this.#session = session;
    this.#roundTripMs = roundTripMs;
  }

  /**
   * Of a call that has begun to move; undefined where it cannot be found, or is over.
   * @param known its session, where that is known without asking the call, in private
   */
  static of(call: object, known?: Http2Session): CallLink | undefined {
    const session = known ?? clientStreamOf(call)?.session;
    if (session === undefined || session.destroyed) return undefined;
    const measured = roundTripsMs.get(session);
    if (measured !== undefined) return new CallLink(session, measured);
    const roundTripMs: { value: number | undefined } = { value: undefined };
    roundTripsMs.set(session, roundTripMs);
    if (mayMeasure(session)) {
      session.ping((error, durationMs) => {
        if (error === null) roundTripMs.value = durationMs;
      });
    }
    return new CallLink(session, roundTripMs);
  }

  /** What the peer may send to each stream before it is read. */
  get receiveWindowBytes(): number | undefined {
    return this.#session.localSettings?.initialWindowSize;
  }

  /** What each stream may send before the peer reads it. */
  get sendWindowBytes(): number | undefined {
    return this.#session.remoteSettings?.initialWindowSize;
  }

  /** See `pingBarrier`. False also for a peer that has objected to pings. */
  pingBarrier(echoed: () => void): boolean {
    return mayMeasure(this.#session) && pingBarrier(this.#session, echoed);
  }

  /** When the connection was new, without what queues on it later; undefined before the answer. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs.value;
  }
}
