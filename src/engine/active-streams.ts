/**
 * The active streams of both directions: how many there are, how many of them
 * move, and whose slabs may be taken back.
 */
import type { TransferError } from '../base/errors.ts';

export interface ActiveStream {
  /** True when its peer has kept it waiting for longer than `limitMs`, or wants nothing now. */
  isIdle(nowMs: number, limitMs: number): boolean;
  /** Gives back the slabs that wait for its peer, where that has taken longer than `limitMs`. */
  giveBackIdle(nowMs: number, limitMs: number): void;
  fail(error: TransferError): void;
}

/** A peer with a write outstanding for this long gets no slabs ahead of that write while others want some. */
const HESITATION_MS = 100;

/** After this long its slabs are taken back in any case. */
const IDLE_MS = 1000;

/** How old the count of moving streams may get. */
const COUNT_MS = 50;

export class ActiveStreams {
  readonly #downloads = new Set<ActiveStream>();
  readonly #uploads = new Set<ActiveStream>();
  #watch: NodeJS.Timeout | null = null;
  #moving = 0;
  #countedAtMs = Number.NEGATIVE_INFINITY;

  get downloads(): number {
    return this.#downloads.size;
  }

  get uploads(): number {
    return this.#uploads.size;
  }

  get count(): number {
    return this.#downloads.size + this.#uploads.size;
  }

  addDownload(stream: ActiveStream): void {
    this.#downloads.add(stream);
    this.#watchIdle();
  }

  addUpload(stream: ActiveStream): void {
    this.#uploads.add(stream);
    this.#watchIdle();
  }

  remove(stream: ActiveStream): void {
    if (!this.#downloads.delete(stream)) this.#uploads.delete(stream);
    if (this.count > 0 || this.#watch === null) return;
    clearInterval(this.#watch);
    this.#watch = null;
  }

  /** Streams whose peers do not hesitate, at least one; looked at now and then. */
  movingCount(nowMs: number): number {
    if (nowMs - this.#countedAtMs > COUNT_MS) {
      this.#countedAtMs = nowMs;
      this.#moving = 0;
      for (const stream of this.#downloads) if (!stream.isIdle(nowMs, HESITATION_MS)) this.#moving += 1;
      for (const stream of this.#uploads) if (!stream.isIdle(nowMs, HESITATION_MS)) this.#moving += 1;
    }
    return Math.max(1, this.#moving);
  }

  /** Takes slabs back from streams whose peer hesitates, because others want them. */
  reclaim(nowMs: number): void {
    this.#giveBack(nowMs, HESITATION_MS);
  }

  failAll(error: TransferError): void {
    for (const stream of this.#downloads) stream.fail(error);
    for (const stream of this.#uploads) stream.fail(error);
  }

  #giveBack(nowMs: number, limitMs: number): void {
    for (const stream of this.#downloads) stream.giveBackIdle(nowMs, limitMs);
    for (const stream of this.#uploads) stream.giveBackIdle(nowMs, limitMs);
  }

  #watchIdle(): void {
    this.#watch ??= setInterval(() => this.#giveBack(performance.now(), IDLE_MS), IDLE_MS / 2).unref();
  }
}
