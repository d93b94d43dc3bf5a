/**
 * How much a stream may have on its way at once: slow start, as TCP does it.
 *
 * A stream starts with one small piece. Each write that the peer drains fast
 * doubles the piece, each that it drains slowly halves it, so that one write
 * stays about a tenth of a second of the peer's time, whatever its rate.
 */

/** A write drained within this time doubles the piece. */
const FAST_MS = 50;

/** A write that took longer halves it. */
const SLOW_MS = 250;

export class Pace {
  readonly #firstBytes: number;
  readonly #maxBytes: number;
  #pieceBytes: number;
  #drainedBytes = 0;

  constructor(firstBytes: number, maxBytes: number) {
    // Half at most, so that there is something to grow to.
    this.#firstBytes = Math.min(firstBytes, Math.floor(maxBytes / 2));
    this.#maxBytes = maxBytes;
    this.#pieceBytes = this.#firstBytes;
  }

  /** The most raw bytes of one job now. */
  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  /** True while the peer has not shown that it drains more than the first piece. */
  get isSmall(): boolean {
    return this.#pieceBytes <= this.#firstBytes;
  }

  /** All bytes the peer has drained so far. */
  get drainedBytes(): number {
    return this.#drainedBytes;
  }

  drained(bytes: number, tookMs: number): void {
    this.#drainedBytes += bytes;
    if (tookMs > SLOW_MS) this.#pieceBytes = Math.max(this.#firstBytes, Math.floor(this.#pieceBytes / 2));
    else if (tookMs < FAST_MS) this.#pieceBytes = Math.min(this.#maxBytes, this.#pieceBytes * 2);
  }

  /** The peer drains nothing: start over small. */
  restart(): void {
    this.#pieceBytes = this.#firstBytes;
  }
}
