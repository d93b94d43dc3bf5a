/**
 * What can be seen of the connection below a stream: windows, and how long its
 * peer takes to answer. A PING queues behind the bytes that wait for the link, so
 * an answer that is late shows a queue. Sent only when somebody looks.
 */
import type { Http2Session, Http2Stream } from 'node:http2';
import { mayMeasure } from './calm-peers.ts';

export interface LinkSight {
  /** What the peer still takes on the connection, in bytes. */
  readonly peerWindowBytes: number;
  /** What the peer may still send on the connection, in bytes. */
  readonly ownWindowBytes: number;
  /** The shortest that was seen; undefined before the first answer. */
  readonly roundTripMs: number | undefined;
  /** How much longer than that the last answer took, or the next one already takes. */
  readonly queueMs: number;
}

/** Looks that follow each other faster share a PING. */
const PING_INTERVAL_MS = 500;

class LinkProbe {
  #shortestMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;
  /** Of the last PING. */
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #isOut = false;

  look(session: Http2Session, nowMs: number): LinkSight {
    if (!this.#isOut && nowMs - this.#sentAtMs >= PING_INTERVAL_MS && mayMeasure(session))
      this.#ping(session, nowMs);
    const { effectiveLocalWindowSize = 0, effectiveRecvDataLength = 0, remoteWindowSize = 0 } = session.state;
    const isKnown = Number.isFinite(this.#shortestMs);
    const waitingMs = this.#isOut ? nowMs - this.#sentAtMs : 0;
    return {
      peerWindowBytes: remoteWindowSize,
      ownWindowBytes: Math.max(0, effectiveLocalWindowSize - effectiveRecvDataLength),
      roundTripMs: isKnown ? this.#shortestMs : undefined,
      queueMs: Math.max(0, Math.max(this.#lastMs, waitingMs) - (isKnown ? this.#shortestMs : 0)),
    };
  }

  #ping(session: Http2Session, nowMs: number): void {
    this.#sentAtMs = nowMs;
    this.#isOut = session.ping((error) => {
      this.#isOut = false;
      if (error !== null) return;
      this.#lastMs = performance.now() - nowMs;
      this.#shortestMs = Math.min(this.#shortestMs, this.#lastMs);
    });
  }
}

const probes = new WeakMap<Http2Session, LinkProbe>();

/** Undefined where the connection of a stream is gone. */
export function lookAtLink({ session }: Http2Stream, nowMs: number): LinkSight | undefined {
  if (session === undefined || session.destroyed) return undefined;
  let probe = probes.get(session);
  if (probe === undefined) {
    probe = new LinkProbe();
    probes.set(session, probe);
  }
  return probe.look(session, nowMs);
}
