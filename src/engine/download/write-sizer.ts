/**
 * How much a stream may have in flight: slow start, as in TCP.
 *
 * A stream starts with one small piece. Each write that drains fast doubles the
 * piece, each that drains slowly halves it, so that one write takes the peer
 * about a tenth of a second, whatever its rate.
 *
 * Reading may run ahead, because unsent pieces can be given back: as long as the
 * peer has taken everything at once, the next piece may be read as though the
 * peer will take those before it at once, too.
 */

/** A write drained within this time doubles the piece. */
const FAST_MS = 50;

/** A write that took longer halves it. */
const SLOW_MS = 250;

export class WriteSizer {
  readonly #firstBytes: number;
  readonly #maxBytes: number;
  #pieceBytes: number;
  #drainedBytes = 0;
  #hasHesitated = false;

  constructor(firstBytes: number, maxBytes: number) {
    // At most half, which leaves a step to grow.
    this.#firstBytes = Math.min(firstBytes, Math.floor(maxBytes / 2));
    this.#maxBytes = maxBytes;
    this.#pieceBytes = this.#firstBytes;
  }

  /** What a peer gets that has shown nothing. */
  get firstBytes(): number {
    return this.#firstBytes;
  }

  /** The most raw bytes of one write now. */
  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  /** True while the peer has not shown that it drains more than the first piece. */
  get isSmall(): boolean {
    return this.#pieceBytes <= this.#firstBytes;
  }

  /** The peer has taken every write at once so far. */
  get isEager(): boolean {
    return !this.#hasHesitated;
  }

  /** The piece it will be once the peer has taken one of `bytes` at once. */
  after(bytes: number): number {
    return Math.min(this.#maxBytes, bytes * 2);
  }

  /** All bytes the peer has drained so far. */
  get drainedBytes(): number {
    return this.#drainedBytes;
  }

  drained(bytes: number, tookMs: number): void {
    this.#drainedBytes += bytes;
    if (tookMs > SLOW_MS) this.#pieceBytes = Math.max(this.#firstBytes, Math.floor(this.#pieceBytes / 2));
    else if (tookMs < FAST_MS) this.#pieceBytes = this.after(this.#pieceBytes);
    if (tookMs >= FAST_MS) this.#hasHesitated = true;
  }

  /** The peer drains nothing: start over small. */
  restart(): void {
    this.#hasHesitated = true;
    this.#pieceBytes = this.#firstBytes;
  }
}
