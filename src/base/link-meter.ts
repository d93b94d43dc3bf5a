/**
 * How fast a peer takes the bytes of one stream, and whether the link between
 * is what holds it up. Pure: times and bytes go in, rates come out.
 *
 * A write that returned says little: socket buffers and windows take megabytes
 * at once on the slowest link. So marks are put into the stream (HTTP/2 pings,
 * which queue behind its bytes) and their echoes timed. An echo that comes
 * later than the shortest round trip has waited behind data: the link is full,
 * and bytes over time between echoes are its rate. Echoes that come at once
 * while writes wait mean that the receiver, not the link, is slow.
 *
 *   sent ────── mark ──────── mark ──▶
 *   echoed ─────────┘ delay = shortest round trip + time in the queue
 */

/** An echo this much later than the shortest round trip has waited behind data. */
const QUEUED_MS = 15;

/** Of the time, a write is outstanding: the buffers are full and every write is paid for by the link. */
const BLOCKED_SHARE = 0.7;

/** Rates of writes are taken over one to two of these. */
const BUCKET_MS = 250;

/** A window shorter than this says nothing, unless it has seen many writes. */
const LEAST_MS = 30;
const LEAST_WRITES = 8;
const LONG_MS = 200;

/** Between marks while something is being found out, and otherwise. */
const BUSY_MARK_MS = 2;
const IDLE_MARK_MS = 40;

/** What windows and sockets hold of what was sent before; not waited for longer than this. */
const SETTLE_BYTES = 12 * 1024 * 1024;
const SETTLE_MS = 300;

/** An echo rate over less says little. */
const LEAST_ECHO_MS = 20;

/** Fewer bytes before a mark do not explain why it waits. */
const LEAST_BOUND_BYTES = 32 * 1024;

/** Without echoes, buffers are taken to be full after this. */
const BLIND_BYTES = 16 * 1024 * 1024;
const BLIND_MS = 500;

interface Bucket {
  startMs: number;
  rawBytes: number;
  wireBytes: number;
  busyMs: number;
  writes: number;
}

export class LinkMeter {
  /** False until the first echo: then writes are all there is to go by. */
  #hasEchoes = false;
  #sentBytes = 0;
  /** Wire bytes ahead of the last mark that was echoed, and when. */
  #echoedBytes = 0;
  #echoedAtMs = 0;
  #echoRate = Number.POSITIVE_INFINITY;
  #shortestMs = Number.POSITIVE_INFINITY;
  #lastQueueMs = 0;
  #markBytes = -1;
  #markedAtMs = Number.NEGATIVE_INFINITY;
  #writeAtMs = -1;
  #writeRaw = 0;
  #writeWire = 0;
  #settlesAtMs = 0;
  #settlesAtBytes = 0;
  #last: Bucket | null = null;
  #bucket: Bucket | null = null;
  /** Sent before the window began. */
  #windowSentBytes = 0;
  #rateBytesPerMs = Number.POSITIVE_INFINITY;

  /** Starts a new window: what is sent from now on is of another kind. */
  restart(nowMs: number): void {
    // Before full buffers, what was sent before is still what is being waited for.
    const isBehind = this.isBlocked(nowMs);
    this.#settlesAtMs = isBehind ? nowMs + SETTLE_MS : nowMs;
    this.#settlesAtBytes = isBehind ? this.#sentBytes + SETTLE_BYTES : this.#sentBytes;
    this.#last = null;
    this.#bucket = null;
  }

  wrote(rawBytes: number, wireBytes: number, nowMs: number): void {
    this.#writeAtMs = nowMs;
    this.#writeRaw = rawBytes;
    this.#writeWire = wireBytes;
    this.#sentBytes += wireBytes;
  }

  /** The outstanding write was taken. */
  drained(nowMs: number): void {
    if (this.#writeAtMs < 0) return;
    if (nowMs < this.#settlesAtMs && this.#sentBytes < this.#settlesAtBytes) {
      this.#writeAtMs = -1;
      return;
    }
    // The first write of a window only starts its clock: what came before it was waiting for something else.
    if (this.#bucket === null) {
      this.#bucket = bucketAt(nowMs);
      this.#windowSentBytes = this.#sentBytes;
    } else {
      if (nowMs - this.#bucket.startMs > BUCKET_MS && this.#bucket.writes > 1) {
        this.#last = this.#bucket;
        this.#bucket = bucketAt(this.#writeAtMs);
      }
      const bucket = this.#bucket;
      bucket.rawBytes += this.#writeRaw;
      bucket.wireBytes += this.#writeWire;
      bucket.busyMs += nowMs - Math.max(this.#writeAtMs, bucket.startMs);
      bucket.writes += 1;
    }
    this.#writeAtMs = -1;
    this.#update(nowMs);
  }

  /** Whether a mark should be put behind what was written. */
  wantsMark(nowMs: number): boolean {
    if (this.#markBytes >= 0) return false;
    return nowMs - this.#markedAtMs >= (this.isConfirmed(nowMs) ? IDLE_MARK_MS : BUSY_MARK_MS);
  }

  marked(nowMs: number): void {
    this.#markBytes = this.#sentBytes;
    this.#markedAtMs = nowMs;
  }

  echoed(nowMs: number): void {
    if (this.#markBytes < 0) return;
    const delayMs = nowMs - this.#markedAtMs;
    this.#shortestMs = Math.min(this.#shortestMs, delayMs);
    this.#lastQueueMs = delayMs - this.#shortestMs;
    const bytes = this.#markBytes - this.#echoedBytes;
    const ms = nowMs - this.#echoedAtMs;
    const wasFull = this.#hasEchoes && this.#lastQueueMs > QUEUED_MS;
    this.#hasEchoes = true;
    this.#echoedBytes = this.#markBytes;
    this.#echoedAtMs = nowMs;
    this.#markBytes = -1;
    this.#echoRate = ms >= LEAST_ECHO_MS ? bytes / ms : Number.POSITIVE_INFINITY;
    if (wasFull && !this.isBlocked(nowMs) && ms > 0) this.#rateBytesPerMs = bytes / ms;
  }

  /** The link is full: bytes wait in its queues. */
  isFull(nowMs: number): boolean {
    if (!this.#hasEchoes) return this.isBlocked(nowMs) && this.#isLong(nowMs);
    return this.queueMs(nowMs) > QUEUED_MS;
  }

  /** Wire bytes a millisecond that a full link takes; the last known when it is not full. */
  rateBytesPerMs(nowMs: number): number {
    this.#update(nowMs);
    return this.#rateBytesPerMs;
  }

  /** False without a single echo: the sender cannot see past its own buffers. */
  get hasEchoes(): boolean {
    return this.#hasEchoes;
  }

  /** Wire bytes that have certainly left the buffers. */
  get echoedBytes(): number {
    return this.#echoedBytes;
  }

  /** Raw bytes a millisecond in the present window; NaN while it says nothing. */
  goodput(nowMs: number): number {
    const { ms, rawBytes, writes } = this.#window(nowMs);
    const isEnough = ms >= LEAST_MS && (writes >= LEAST_WRITES || (ms >= LONG_MS && writes >= 2));
    return isEnough ? rawBytes / ms : Number.NaN;
  }

  /** Wire bytes a millisecond in the present window. */
  wireRate(nowMs: number): number {
    const { ms, wireBytes } = this.#window(nowMs);
    return ms >= LEAST_MS ? wireBytes / ms : 0;
  }

  /** Whether what the window shows is more than buffers filling up. */
  isConfirmed(nowMs: number): boolean {
    if (this.isFull(nowMs)) return true;
    const { ms, wireBytes } = this.#window(nowMs);
    if (!this.#hasEchoes) return wireBytes >= BLIND_BYTES || ms >= BLIND_MS;
    return this.#bucket !== null && this.#echoedBytes >= this.#windowSentBytes + wireBytes / 2 && wireBytes > 0;
  }

  #update(nowMs: number): void {
    if (this.isBlocked(nowMs) && this.isFull(nowMs)) {
      const { wireBytes, busyMs } = this.#window(nowMs);
      // The window may still show how buffers filled, which echoes do not.
      this.#rateBytesPerMs = Math.min(wireBytes / busyMs, this.#echoRate);
    } else if (this.#markBytes >= 0 && this.queueMs(nowMs) > QUEUED_MS) {
      // What lies before the mark has not all arrived while the mark waited.
      const bytes = this.#markBytes - this.#echoedBytes;
      const bound = bytes / this.queueMs(nowMs);
      if (bytes >= LEAST_BOUND_BYTES) this.#rateBytesPerMs = Math.min(this.#rateBytesPerMs, bound);
    }
  }

  /** How much longer than the shortest round trip the last echo took, or the next one already takes. */
  queueMs(nowMs: number): number {
    const waitingMs = this.#markBytes < 0 || !this.#hasEchoes ? 0 : nowMs - this.#markedAtMs - this.#shortestMs;
    return Math.max(this.#lastQueueMs, waitingMs);
  }

  #isLong(nowMs: number): boolean {
    const { ms, writes } = this.#window(nowMs);
    return ms >= LEAST_MS && writes >= 4;
  }

  /** Nearly all the time a write is outstanding: what is before it is full. */
  isBlocked(nowMs: number): boolean {
    const { ms, busyMs, writes } = this.#window(nowMs);
    return writes >= 3 && ms >= LEAST_MS && busyMs >= ms * BLOCKED_SHARE;
  }

  /** The present window, with the write that is outstanding as time only. */
  #window(nowMs: number): { ms: number; rawBytes: number; wireBytes: number; busyMs: number; writes: number } {
    const { startMs, rawBytes, wireBytes, busyMs, writes } = this.#bucket ?? bucketAt(nowMs);
    const last = this.#last;
    const outstandingMs = this.#writeAtMs < 0 ? 0 : nowMs - Math.max(this.#writeAtMs, startMs);
    return {
      ms: nowMs - (last?.startMs ?? startMs),
      rawBytes: rawBytes + (last?.rawBytes ?? 0),
      wireBytes: wireBytes + (last?.wireBytes ?? 0),
      busyMs: busyMs + (last?.busyMs ?? 0) + Math.max(0, outstandingMs),
      writes: writes + (last?.writes ?? 0),
    };
  }
}

function bucketAt(startMs: number): Bucket {
  return { startMs, rawBytes: 0, wireBytes: 0, busyMs: 0, writes: 0 };
}
