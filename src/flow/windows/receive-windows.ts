/**
 * Receive windows that follow the link, on live HTTP/2 sessions of either side.
 *
 *     follow(stream) ─▶ session: bytes read, pings ─▶ BdpEstimator ─▶ wish ─▶ WindowBudget ─▶ grant
 *     grant ─▶ SETTINGS_INITIAL_WINDOW_SIZE (each stream, those that live too) and the connection's window
 *
 * One for all sessions of a server, or for all clients of a process.
 */
import type { Http2Session, Http2Stream } from 'node:http2';
import { SessionWindows, type WindowPolicy } from './session-windows.ts';

export interface WindowStats {
  /** Sessions with streams that are followed. */
  sessions: number;
  /** What they may offer together. */
  grantedBytes: number;
  /** The largest window of a stream. */
  largestWindowBytes: number;
}

/** What is known of the link below a stream. */
export interface LinkFacts {
  /** The receive window of each stream. */
  windowBytes: number;
  /** Without what queues on the way; undefined before the first answer to a ping. */
  roundTripMs: number | undefined;
}

/** Manages the receive windows of streams. */
export interface StreamWindows {
  /** A stream that receives bytes, from as early as possible; nothing for none, or for one that is known. */
  follow(stream: Http2Stream | undefined): void;
  stats(): WindowStats;
  /** Leaves all windows as they are. */
  close(): void;
}

/** How often sessions with unmeasured bytes are looked at. */
const LOOK_INTERVAL_MS = 5;

export class ReceiveWindows implements StreamWindows {
  readonly #policy: WindowPolicy;
  readonly #sessions = new Map<Http2Session, SessionWindows>();
  readonly #followed = new WeakSet<Http2Stream>();
  #timer: NodeJS.Timeout | undefined;
  /** Of all sessions at the last look, because each of them asks. */
  #streamCount = 0;
  #isClosed = false;

  constructor(policy: WindowPolicy) {
    this.#policy = policy;
  }

  /**
   * A stream that receives bytes, from as early as possible until it closes.
   * Its session gets the start window with the first one. A second call for a
   * stream does nothing, nor does one for none.
   *
   * @param maxBytes of its session, where that is another than the policy's; the first stream decides
   */
  follow(stream: Http2Stream | undefined, maxBytes = this.#policy.maxBytes): void {
    if (this.#isClosed || stream === undefined || stream.destroyed || this.#followed.has(stream)) return;
    const { session } = stream;
    // A closed stream has forgotten its session.
    if (session === undefined || session.destroyed) return;
    this.#followed.add(stream);
    let windows = this.#sessions.get(session);
    if (windows === undefined) {
      windows = new SessionWindows(session, { ...this.#policy, maxBytes }, () => this.#streamCount);
      this.#sessions.set(session, windows);
      session.once('close', () => this.#forget(session));
    }
    const followed = windows;
    followed.opened(stream);
    stream.once('close', () => followed.closed(stream));
    this.#timer ??= setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref();
  }

  /** Of the session of a stream that is followed. */
  factsOf(stream: Http2Stream | undefined): LinkFacts | undefined {
    const windows = stream?.session === undefined ? undefined : this.#sessions.get(stream.session);
    return windows && { windowBytes: windows.streamWindowBytes, roundTripMs: windows.minRoundTripMs };
  }

  stats(): WindowStats {
    const stats = { sessions: this.#sessions.size, grantedBytes: 0, largestWindowBytes: 0 };
    for (const { grantedBytes, streamWindowBytes } of this.#sessions.values()) {
      stats.grantedBytes += grantedBytes;
      stats.largestWindowBytes = Math.max(stats.largestWindowBytes, streamWindowBytes);
    }
    return stats;
  }

  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions.keys()) this.#forget(session);
  }

  #look(): void {
    const nowMs = performance.now();
    let streamCount = 0;
    for (const windows of this.#sessions.values()) streamCount += windows.streamCount;
    this.#streamCount = streamCount;
    for (const windows of this.#sessions.values()) windows.look(nowMs);
  }

  #forget(session: Http2Session): void {
    this.#sessions.get(session)?.release();
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
