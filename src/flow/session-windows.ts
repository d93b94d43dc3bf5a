/**
 * The receive windows of one HTTP/2 session, which follow its link.
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
import { LEAST_WINDOW_BYTES } from '../base/limits.ts';
import { BdpEstimator } from './bdp-estimator.ts';
import type { WindowPolicy } from './receive-windows.ts';
import type { BudgetShare } from './window-budget.ts';

/** A session with news is looked at this often. */
const LOOK_INTERVAL_MS = 5;

/** A session without news is looked at half as often each time, down to this. */
const MAX_LOOK_INTERVAL_MS = 100;

/** Streams that follow each other within this time count as one: a window that went up and down with each would cost a SETTINGS for each. */
const STREAM_GAP_MS = 250;

export class SessionWindows {
  readonly #session: Http2Session;
  readonly #maxBytes: number;
  readonly #estimator: BdpEstimator;
  readonly #share: BudgetShare;
  readonly #streams = new Set<Http2Stream>();
  /** Streams that windows are sized for: those there are, and those that ended just now. */
  #streamCount = 0;
  #closedAtMs = 0;
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

  /** Of the link, without what queues there; undefined before the first answer. */
  get leastRoundTripMs(): number | undefined {
    const { leastRoundTripMs } = this.#estimator;
    return Number.isFinite(leastRoundTripMs) ? leastRoundTripMs : undefined;
  }

  opened(stream: Http2Stream): void {
    this.#streams.add(stream);
    this.#lookAtMs = 0;
    this.#lookIntervalMs = LOOK_INTERVAL_MS;
    if (this.#streams.size > this.#streamCount) this.#resize();
  }

  /** Windows grow again a while later: see `look`. */
  closed(stream: Http2Stream): void {
    this.#streams.delete(stream);
    this.#closedAtMs = performance.now();
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
    const mayResize = this.#streamCount > this.#leastCount && nowMs - this.#closedAtMs >= STREAM_GAP_MS;
    if (this.#estimator.rest(nowMs)) this.#wish();
    if (mayResize) this.#resize();
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

  /** The last stream leaves its window to the next one: transfers follow each other. */
  get #leastCount(): number {
    return Math.max(1, this.#streams.size);
  }

  #resize(): void {
    this.#streamCount = this.#leastCount;
    this.#wish();
  }

  /** Asks for what the streams need, each a window that fills the link. */
  #wish(): void {
    this.#share.want(Math.min(this.#maxBytes, this.#estimator.windowBytes * this.#streamCount));
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
    while (bytes * this.#streamCount > this.#share.grantedBytes && bytes > LEAST_WINDOW_BYTES) {
      bytes = Math.max(LEAST_WINDOW_BYTES, Math.floor(bytes / 2));
    }
    return bytes;
  }
}
