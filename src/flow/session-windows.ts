/**
 * Receive windows that follow the link, on live HTTP/2 sessions of either side.
 *
 *     follow(stream) ─▶ session: bytes read, pings ─▶ BdpEstimator ─▶ wish ─▶ WindowBudget ─▶ grant
 *     grant ─▶ SETTINGS_INITIAL_WINDOW_SIZE (each stream, those that live too) and the connection's window
 *
 * Node returns the credit of a connection as soon as bytes arrive and that of a
 * stream only when they are read. So a stream that is not read holds back its
 * own window and nobody else, and what one session can pile up is the sum of
 * its streams' windows.
 *
 * Invariants: streams × window of each is at most the session's grant, except
 * that no window is below the least one of HTTP/2; one SETTINGS and one ping
 * are under way at most.
 */
import type { Http2Session, Http2Stream } from 'node:http2';
import { BdpEstimator, LEAST_WINDOW_BYTES } from './bdp-estimator.ts';
import type { BudgetShare, WindowBudget } from './window-budget.ts';

export interface WindowPolicy {
  /** Each window before anything is known of the link. */
  startBytes: number;
  /** What all streams of one session may hold together, and the most of one window. */
  maxBytes: number;
  /** Shared by all sessions of the process. */
  budget: WindowBudget;
}

export interface WindowStats {
  /** Sessions with streams that are followed. */
  sessions: number;
  /** What they may offer together. */
  grantedBytes: number;
  /** The largest window of a stream. */
  largestWindowBytes: number;
}

/** How often sessions are looked at while bytes come that no ping asks about yet. */
const LOOK_INTERVAL_MS = 5;

/** A session without news is looked at half as often each time, down to this. */
const MAX_LOOK_INTERVAL_MS = 100;

/** Follows sessions; one for all of a server, or of a process of clients. */
export class ReceiveWindows {
  readonly #policy: WindowPolicy;
  readonly #sessions = new Map<Http2Session, SessionWindows>();
  readonly #followed = new WeakSet<Http2Stream>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(policy: WindowPolicy) {
    this.#policy = policy;
  }

  /**
   * A stream that receives bytes, from as early as possible until it closes.
   * Its session gets the start window with the first one. A second call for a
   * stream does nothing, nor does one for none.
   */
  follow(stream: Http2Stream | undefined): void {
    if (this.#isClosed || stream === undefined || stream.destroyed || this.#followed.has(stream)) return;
    const { session } = stream;
    // A closed stream has forgotten its session.
    if (session === undefined || session.destroyed) return;
    this.#followed.add(stream);
    let windows = this.#sessions.get(session);
    if (windows === undefined) {
      windows = new SessionWindows(session, this.#policy);
      this.#sessions.set(session, windows);
      session.once('close', () => this.#forget(session));
    }
    const followed = windows;
    followed.opened();
    stream.once('close', () => followed.closed());
    this.#timer ??= setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref();
  }

  stats(): WindowStats {
    const stats = { sessions: this.#sessions.size, grantedBytes: 0, largestWindowBytes: 0 };
    for (const { grantedBytes, streamWindowBytes } of this.#sessions.values()) {
      stats.grantedBytes += grantedBytes;
      stats.largestWindowBytes = Math.max(stats.largestWindowBytes, streamWindowBytes);
    }
    return stats;
  }

  /** Leaves all windows as they are. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions.keys()) this.#forget(session);
  }

  #look(): void {
    const nowMs = performance.now();
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

/** The windows of one session. */
class SessionWindows {
  readonly #session: Http2Session;
  readonly #maxBytes: number;
  readonly #estimator: BdpEstimator;
  readonly #share: BudgetShare;
  #streams = 0;
  #readBytes: number;
  #lookAtMs = 0;
  #lookIntervalMs = LOOK_INTERVAL_MS;
  #streamWindowBytes: number;
  #sessionWindowBytes: number;
  #isSettling = false;
  #isReleased = false;

  constructor(session: Http2Session, { startBytes, maxBytes, budget }: WindowPolicy) {
    this.#session = session;
    this.#maxBytes = maxBytes;
    this.#estimator = new BdpEstimator({ startBytes, maxBytes });
    this.#share = budget.open(() => this.#apply());
    this.#readBytes = session.socket.bytesRead;
    this.#streamWindowBytes = session.localSettings.initialWindowSize ?? LEAST_WINDOW_BYTES;
    this.#sessionWindowBytes = session.state.effectiveLocalWindowSize ?? LEAST_WINDOW_BYTES;
    // Before data flows: the round trip of the link without a queue.
    session.ping((error, roundTripMs) => {
      if (error === null) this.#estimator.measured(roundTripMs, performance.now());
    });
  }

  get grantedBytes(): number {
    return this.#share.grantedBytes;
  }

  get streamWindowBytes(): number {
    return this.#streamWindowBytes;
  }

  opened(): void {
    this.#streams += 1;
    this.#lookAtMs = 0;
    this.#lookIntervalMs = LOOK_INTERVAL_MS;
    this.#wish();
  }

  closed(): void {
    this.#streams -= 1;
    // The last one leaves its window to the next: transfers follow each other.
    if (this.#streams > 0) this.#wish();
  }

  /** Gives the grant back. */
  release(): void {
    this.#isReleased = true;
    this.#share.close();
  }

  look(nowMs: number): void {
    if (nowMs < this.#lookAtMs || this.#session.destroyed) return;
    const arrivedBytes = this.#count(nowMs);
    this.#lookIntervalMs =
      arrivedBytes > 0 ? LOOK_INTERVAL_MS : Math.min(MAX_LOOK_INTERVAL_MS, this.#lookIntervalMs * 2);
    this.#lookAtMs = nowMs + this.#lookIntervalMs;
    this.#ping(nowMs);
    if (this.#estimator.rest(nowMs)) this.#wish();
  }

  /** Tells the estimator what has come. */
  #count(nowMs: number): number {
    const readBytes = this.#session.socket.bytesRead;
    const arrivedBytes = readBytes - this.#readBytes;
    this.#readBytes = readBytes;
    this.#estimator.received(arrivedBytes, nowMs);
    return arrivedBytes;
  }

  #ping(nowMs: number): void {
    if (this.#session.destroyed || !this.#estimator.wantsPing(nowMs)) return;
    this.#estimator.pingSent(nowMs);
    const isSent = this.#session.ping((error) => {
      if (error === null) this.#answered(performance.now());
      else this.#estimator.pingLost();
    });
    if (!isSent) this.#estimator.pingLost();
  }

  #answered(nowMs: number): void {
    if (this.#isReleased || this.#session.destroyed) return;
    this.#count(nowMs);
    if (this.#estimator.pingAnswered(nowMs)) this.#wish();
    this.#ping(nowMs);
  }

  /** Asks for what the streams need, each a window that fills the link. */
  #wish(): void {
    const streams = Math.max(1, this.#streams);
    this.#share.want(Math.min(this.#maxBytes, this.#estimator.windowBytes * streams));
    this.#apply();
  }

  /** Brings the session's windows to what they should be. */
  #apply(): void {
    // One SETTINGS at a time: its answer comes back here.
    if (this.#isReleased || this.#isSettling || this.#session.destroyed) return;
    const { windowBytes } = this.#estimator;
    const sessionBytes = Math.max(LEAST_WINDOW_BYTES, Math.min(windowBytes, this.#share.grantedBytes));
    if (sessionBytes !== this.#sessionWindowBytes) {
      this.#sessionWindowBytes = sessionBytes;
      this.#session.setLocalWindowSize(sessionBytes);
    }
    const streamBytes = this.#streamShare(sessionBytes);
    if (streamBytes === this.#streamWindowBytes) return;
    this.#streamWindowBytes = streamBytes;
    this.#isSettling = true;
    this.#session.settings({ initialWindowSize: streamBytes }, () => {
      this.#isSettling = false;
      this.#apply();
    });
  }

  /** The session's window, or the half, quarter, … of it that all streams can have: few sizes, so few SETTINGS. */
  #streamShare(sessionBytes: number): number {
    let bytes = sessionBytes;
    while (bytes * this.#streams > this.#share.grantedBytes && bytes > LEAST_WINDOW_BYTES) {
      bytes = Math.max(LEAST_WINDOW_BYTES, Math.floor(bytes / 2));
    }
    return bytes;
  }
}
