/**
 * How fast a peer takes the bytes of one stream, and whether the link is the
 * bottleneck. Pure: times and bytes go in, rates come out.
 *
 * A completed write says little: socket buffers and windows take megabytes at
 * once on the slowest link. So barriers are put into the stream (HTTP/2 pings,
 * which queue behind its bytes) and their echoes timed. An echo later than the
 * shortest round trip has waited behind data; when all echoes are late for a
 * while, the link is full, and bytes over time between echoes are its rate.
 * Prompt echoes while writes wait mean that the receiver is slow.
 *
 *   sent ────── barrier ───── barrier ──▶
 *   echoed ─────────┘ delay = shortest round trip + time in the queue
 */
import { RateWindow, type Sums } from './rate-window.ts';

/** An echo this much later than the shortest round trip waited behind data, or for a thread of a busy machine. */
const QUEUED_MS = 15;

/** When all echoes are late for this long, a queue stands, as in CoDel (RFC 8289). A busy machine seldom delays that many. */
const STANDING_MS = 100;

/** With a write outstanding for this share of the time, the buffers are full and the link paces every write. */
export const BLOCKED_SHARE = 0.7;

/** Between barriers while a coding is being judged, and otherwise. */
const BUSY_BARRIER_MS = 2;
const IDLE_BARRIER_MS = 40;

/** A rate over less time is noise. */
const MIN_ECHO_MS = 20;

/** A write outstanding for this long shows the link's rate by itself. */
const STUCK_MS = 100;

/** Without echoes, buffers are taken to be full after this. */
const BLIND_BYTES = 16 * 1024 * 1024;

export class LinkMeter {
  /** Wire bytes that were written. */
  sentBytes = 0;
  /** How long the last write that was taken was outstanding. */
  lastWriteMs = 0;
  /** Wire bytes ahead of the last barrier that was echoed. */
  echoedBytes = 0;
  /** False until the first echo: the sender cannot see past its own buffers. */
  hasEchoes = false;
  readonly #window = new RateWindow();
  #echoedAtMs = 0;
  #echoRate = Number.POSITIVE_INFINITY;
  #shortestMs = Number.POSITIVE_INFINITY;
  #lastQueueMs = 0;
  /** When the first of the present run of late echoes was due. */
  #lateSinceMs = Number.POSITIVE_INFINITY;
  #barrierBytes = -1;
  #barrierAtMs = Number.NEGATIVE_INFINITY;
  #writeAtMs = -1;
  #writeRaw = 0;
  #writeWire = 0;
  #drainedAtMs = -1;
  #rateBytesPerMs = Number.POSITIVE_INFINITY;

  wrote(rawBytes: number, wireBytes: number, nowMs: number): void {
    if (this.#drainedAtMs < 0) this.#drainedAtMs = nowMs;
    this.#writeAtMs = nowMs;
    this.#writeRaw = rawBytes;
    this.#writeWire = wireBytes;
    this.sentBytes += wireBytes;
  }

  /** The outstanding write was taken; returns the time since the one before it was, 0 without one. */
  drained(nowMs: number): number {
    if (this.#writeAtMs < 0) return 0;
    const ms = nowMs - this.#drainedAtMs;
    this.lastWriteMs = nowMs - this.#writeAtMs;
    this.#window.add(ms, this.#writeRaw, this.#writeWire, this.lastWriteMs);
    this.#writeAtMs = -1;
    this.#drainedAtMs = nowMs;
    return ms;
  }

  /** Discards idle time, and an outstanding write or barrier whose end was not reported. */
  resumed(nowMs: number): void {
    this.#writeAtMs = -1;
    this.#barrierBytes = -1;
    this.#lateSinceMs = Number.POSITIVE_INFINITY;
    this.idled(nowMs);
  }

  /** Discards the time until now: there was nothing to write. */
  idled(nowMs: number): void {
    if (this.#drainedAtMs >= 0) this.#drainedAtMs = nowMs;
    // The next echo shows no rate.
    this.#echoedAtMs = Number.POSITIVE_INFINITY;
  }

  /** Whether a barrier should be put behind what was written. */
  wantsBarrier(nowMs: number, isUrgent: boolean): boolean {
    return (
      this.#barrierBytes < 0 && nowMs - this.#barrierAtMs >= (isUrgent ? BUSY_BARRIER_MS : IDLE_BARRIER_MS)
    );
  }

  /** A barrier or its echo is on the way. */
  get hasBarrier(): boolean {
    return this.#barrierBytes >= 0;
  }

  barrierSent(nowMs: number): void {
    this.#barrierBytes = this.sentBytes;
    this.#barrierAtMs = nowMs;
  }

  echoed(nowMs: number): void {
    if (this.#barrierBytes < 0) return;
    const delayMs = nowMs - this.#barrierAtMs;
    this.#shortestMs = Math.min(this.#shortestMs, delayMs);
    this.#lastQueueMs = delayMs - this.#shortestMs;
    const dueMs = this.#barrierAtMs + this.#shortestMs;
    this.#lateSinceMs =
      this.#lastQueueMs > QUEUED_MS ? Math.min(this.#lateSinceMs, dueMs) : Number.POSITIVE_INFINITY;
    const bytes = this.#barrierBytes - this.echoedBytes;
    const ms = nowMs - this.#echoedAtMs;
    const isTelling = this.hasEchoes && ms >= MIN_ECHO_MS;
    this.#echoRate = isTelling ? bytes / ms : Number.POSITIVE_INFINITY;
    this.hasEchoes = true;
    this.echoedBytes = this.#barrierBytes;
    this.#echoedAtMs = nowMs;
    this.#barrierBytes = -1;
    if (!isTelling) return;
    const isQueued = this.#lastQueueMs > QUEUED_MS && !this.isBlocked(nowMs);
    // The arrival rate disproves a lower estimate.
    if (isQueued || this.#echoRate > this.#rateBytesPerMs) this.#rateBytesPerMs = this.#echoRate;
  }

  /** How much longer than the shortest round trip the last echo took, or the next one already takes. */
  queueMs(nowMs: number): number {
    return Math.max(this.#lastQueueMs, this.#waitingMs(nowMs));
  }

  /** How much longer than the shortest round trip the next echo already takes. */
  #waitingMs(nowMs: number): number {
    const isWaiting = this.#barrierBytes >= 0 && this.hasEchoes;
    return isWaiting ? nowMs - this.#barrierAtMs - this.#shortestMs : 0;
  }

  /** Nothing waits in the queues of the link. */
  hasSpareCapacity(nowMs: number): boolean {
    return this.queueMs(nowMs) < QUEUED_MS;
  }

  /** The link is full: bytes wait in its queues. */
  isFull(nowMs: number): boolean {
    if (!this.hasEchoes) return this.isBlocked(nowMs);
    const waitingMs = this.#waitingMs(nowMs);
    const lateMs = nowMs - Math.min(this.#lateSinceMs, waitingMs > QUEUED_MS ? nowMs - waitingMs : nowMs);
    return lateMs >= STANDING_MS;
  }

  /** A write is outstanding nearly all the time: the buffers are full. */
  isBlocked(nowMs: number): boolean {
    const { busyMs, ms } = this.#sums(nowMs);
    return ms > 0 && busyMs >= ms * BLOCKED_SHARE;
  }

  /** Wire bytes a millisecond that a full link takes; the last known when it is not full. */
  rateBytesPerMs(nowMs: number): number {
    if (!this.isFull(nowMs)) return this.#rateBytesPerMs;
    if (this.isBlocked(nowMs)) {
      const { busyMs, wireBytes } = this.#sums(nowMs);
      // The window may include the filling of buffers; echoes do not.
      const rate = Math.min(wireBytes / busyMs, this.#echoRate);
      const waitedMs = this.#writeAtMs < 0 ? 0 : nowMs - this.#writeAtMs;
      // One long write shows a link that has almost stopped sooner than the window does.
      this.#rateBytesPerMs = waitedMs > STUCK_MS ? Math.min(rate, this.#writeWire / waitedMs) : rate;
    } else if (this.#barrierBytes > this.echoedBytes) {
      // Not all bytes before the barrier arrived while the barrier waited.
      const bound = (this.#barrierBytes - this.echoedBytes) / this.queueMs(nowMs);
      this.#rateBytesPerMs = Math.min(this.#rateBytesPerMs, bound);
    }
    return Math.max(this.#rateBytesPerMs, this.#minRate(nowMs));
  }

  /** More passed than buffers hold: a barrier delayed by a busy machine does not disprove that. */
  #minRate(nowMs: number): number {
    const { ms, wireBytes } = this.#sums(nowMs);
    return wireBytes > BLIND_BYTES && this.queueMs(nowMs) < STUCK_MS ? wireBytes / ms : 0;
  }

  /** Wire bytes a millisecond of late, whether or not that is all the link takes. */
  wireRate(nowMs: number): number {
    const { ms, wireBytes } = this.#sums(nowMs);
    return ms > 0 ? wireBytes / ms : 0;
  }

  /** Whether rates since `sentBytes` was `fromBytes` show more than buffers filling up. */
  isConfirmed(fromBytes: number, nowMs: number): boolean {
    if (this.isFull(nowMs)) return true;
    const sent = this.sentBytes - fromBytes;
    if (!this.hasEchoes) return sent >= BLIND_BYTES;
    return sent > 0 && this.echoedBytes >= fromBytes + sent / 2;
  }

  /** Of the window, with the outstanding write as time only. */
  #sums(nowMs: number): Sums {
    const { sums } = this.#window;
    if (this.#writeAtMs >= 0) {
      sums.ms += nowMs - this.#drainedAtMs;
      sums.busyMs += nowMs - this.#writeAtMs;
    }
    return sums;
  }
}
