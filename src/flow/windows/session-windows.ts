/**
 * The receive windows of one HTTP/2 session, which follow its link.
 *
 * Node returns the credit of a connection as soon as bytes arrive and that of a
 * stream only when they are read. So an unread stream blocks only itself, and one
 * session can pile up at most the sum of its streams' windows.
 *
 * Invariants: bytes unread or still granted are at most the session's grant,
 * except that no window is below the least one of HTTP/2 and for bytes in flight
 * when a stream came; at most one SETTINGS and one ping are outstanding.
 */
import type { Http2Session, Http2Stream } from 'node:http2';
import { MIN_WINDOW_BYTES } from '../../base/limits.ts';
import { KIB, MIB } from '../../base/units.ts';
import { mayMeasure } from '../connections/calm-peers.ts';
import { BdpEstimator } from './bdp-estimator.ts';
import type { BudgetShare, WindowBudget } from './window-budget.ts';

export interface WindowPolicy {
  /** Each window before anything is known of the link. */
  startBytes: number;
  /** What all streams of one session may hold together, and the most of one window. */
  maxBytes: number;
  /** Shared by all sessions of the process. */
  budget: WindowBudget;
}

/** A session with news is looked at this often. */
const LOOK_INTERVAL_MS = 5;

/** A session without news is looked at half as often each time, down to this. */
const MAX_LOOK_INTERVAL_MS = 100;

/**
 * Less than this is no data, but answers to pings and settings of ours. A ping for each of them
 * would have an answer again, and peers end a connection with pings that no data of theirs led to.
 */
const MIN_DATA_BYTES = KIB;

/** Streams that follow each other within this time count as one: otherwise each would cost a SETTINGS up and down. */
const STREAM_GAP_MS = 250;

/**
 * The total of the windows of all streams over short links, beyond the minimum
 * of each: smaller ones cost senders more for each write. Larger ones only let
 * bytes wait unread, in buffers that V8 moves to its old space and frees by
 * full collections.
 */
const SHORT_TOTAL_BYTES = 16 * MIB;
const MAX_SHORT_BYTES = 8 * MIB;
const MIN_SHORT_BYTES = MIB;

/** A session without streams for so long gives back what it was granted. */
const PARK_AFTER_MS = 10_000;

export class SessionWindows {
  readonly #session: Http2Session;
  readonly #maxBytes: number;
  readonly #estimator: BdpEstimator;
  readonly #share: BudgetShare;
  readonly #streamsInAll: () => number;
  readonly #streams = new Set<Http2Stream>();
  /** Streams that windows are sized for: open ones, and those that ended just now. */
  #streamCount = 0;
  #closedAtMs = 0;
  /** Held by unread streams at the last wish. */
  #unreadBytes = 0;
  #readBytes: number;
  #lookAtMs = 0;
  #lookIntervalMs = LOOK_INTERVAL_MS;
  /** Wanted for each stream at the last wish. */
  #wishedBytes = 0;
  #streamWindowBytes: number;
  #sessionWindowBytes: number;
  #isSettling = false;
  #isReleased = false;

  /** @param streamsInAll of all sessions, as far as they count for windows; asked often */
  constructor(
    session: Http2Session,
    { startBytes, maxBytes, budget }: WindowPolicy,
    streamsInAll: () => number,
  ) {
    this.#session = session;
    this.#streamsInAll = streamsInAll;
    this.#maxBytes = maxBytes;
    this.#estimator = new BdpEstimator({ startBytes, maxBytes });
    this.#share = budget.open(() => this.#apply());
    this.#readBytes = session.socket.bytesRead;
    this.#streamWindowBytes = session.localSettings.initialWindowSize ?? MIN_WINDOW_BYTES;
    this.#sessionWindowBytes = session.state.effectiveLocalWindowSize ?? MIN_WINDOW_BYTES;
    if (!mayMeasure(session)) return;
    // Before data flows: the round trip of the link without a queue.
    session.ping((error, roundTripMs) => {
      if (error === null) this.#estimator.measured(roundTripMs, performance.now());
    });
  }

  get grantedBytes(): number {
    return this.#share.grantedBytes;
  }

  /** Streams that windows are sized for. */
  get streamCount(): number {
    return this.#streamCount;
  }

  get streamWindowBytes(): number {
    return this.#streamWindowBytes;
  }

  /** Of the link, without what queues there; undefined before the first answer. */
  get minRoundTripMs(): number | undefined {
    const { minRoundTripMs } = this.#estimator;
    return Number.isFinite(minRoundTripMs) ? minRoundTripMs : undefined;
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
    const sinceClosedMs = nowMs - this.#closedAtMs;
    const isSmaller = this.#streamCount > this.#leastCount && sinceClosedMs >= STREAM_GAP_MS;
    const hasRested = this.#estimator.rest(nowMs);
    if (this.#streams.size === 0 && sinceClosedMs >= PARK_AFTER_MS) this.#park();
    else if (isSmaller) this.#resize();
    else if (hasRested || this.#unreadBytes > 0 || this.#wishedBytes !== this.#neededBytes) this.#wish();
    if (this.#share.isHolding) this.#apply();
  }

  #count(nowMs: number): number {
    const readBytes = this.#session.socket.bytesRead;
    const arrivedBytes = readBytes - this.#readBytes;
    if (arrivedBytes < MIN_DATA_BYTES) return 0;
    this.#readBytes = readBytes;
    this.#estimator.received(arrivedBytes, nowMs);
    return arrivedBytes;
  }

  #ping(nowMs: number): void {
    if (this.#session.destroyed || !this.#estimator.wantsPing(nowMs) || !mayMeasure(this.#session)) return;
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

  /** The window of a stream that fills the link; on a short one a part of what all may hold, in few sizes. */
  get #neededBytes(): number {
    const { isShort, windowBytes } = this.#estimator;
    if (!isShort) return windowBytes;
    const streams = this.#streamsInAll();
    let bytes = MAX_SHORT_BYTES;
    while (bytes > MIN_SHORT_BYTES && bytes * streams > SHORT_TOTAL_BYTES) bytes /= 2;
    return Math.min(bytes, windowBytes);
  }

  /** Asks for a window that fills the link for each stream, beside unread bytes. */
  #wish(): void {
    this.#unreadBytes = 0;
    for (const { readableLength } of this.#streams) {
      // Streams that are read hold a little, too.
      if (readableLength > MIN_WINDOW_BYTES) this.#unreadBytes += readableLength;
    }
    this.#wishedBytes = this.#neededBytes;
    const offerBytes = Math.min(this.#maxBytes, this.#wishedBytes * this.#streamCount);
    this.#share.want(offerBytes + this.#unreadBytes);
    this.#apply();
  }

  /** Without streams nothing need be granted; the next stream begins with the windows as they are. */
  #park(): void {
    this.#share.want(0);
    if (!this.#isSettling) this.#share.holds(0);
  }

  #apply(): void {
    // One SETTINGS at a time: its answer comes back here.
    if (this.#isReleased || this.#isSettling || this.#session.destroyed) return;
    if (this.#share.wantedBytes === 0) return;
    const { isShort, windowBytes } = this.#estimator;
    const sessionBytes = Math.max(MIN_WINDOW_BYTES, Math.min(windowBytes, this.#share.grantedBytes));
    // The connection's window reserves no memory: over distance it keeps queues in the network short.
    const connectionBytes = isShort ? Math.max(sessionBytes, this.#maxBytes) : sessionBytes;
    if (connectionBytes !== this.#sessionWindowBytes) {
      this.#sessionWindowBytes = connectionBytes;
      this.#session.setLocalWindowSize(connectionBytes);
    }
    const streamBytes = this.#streamShare(Math.min(sessionBytes, this.#neededBytes));
    if (streamBytes === this.#streamWindowBytes) {
      // Bytes in flight under a larger window have arrived.
      if (this.#share.isHolding) this.#share.holds(this.#inUseBytes(streamBytes));
      return;
    }
    this.#streamWindowBytes = streamBytes;
    this.#isSettling = true;
    this.#session.settings({ initialWindowSize: streamBytes }, () => {
      this.#isSettling = false;
      this.#apply();
    });
  }

  /** This, or the half, quarter, … of it that all streams can have: few sizes, so few SETTINGS. */
  #streamShare(mostBytes: number): number {
    let bytes = mostBytes;
    while (bytes > MIN_WINDOW_BYTES && !this.#fits(bytes)) {
      bytes = Math.max(MIN_WINDOW_BYTES, Math.floor(bytes / 2));
    }
    return bytes;
  }

  #fits(windowBytes: number): boolean {
    const offerBytes = windowBytes * this.#streamCount;
    return offerBytes <= this.#maxBytes && this.#inUseBytes(windowBytes) <= this.#share.grantedBytes;
  }

  /** Bytes that streams with such windows hold or may get. */
  #inUseBytes(windowBytes: number): number {
    let bytes = windowBytes * (this.#streamCount - this.#streams.size);
    for (const { readableLength } of this.#streams) bytes += Math.max(windowBytes, readableLength);
    return bytes;
  }
}
