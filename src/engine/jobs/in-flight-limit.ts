/**
 * Bytes that may be in flight at a time: begun, and not yet taken by the peer or
 * the store. Kept by whoever asks before more begin.
 *
 * Invariant: whoever was told to wait is called when there is room, and asks again.
 */

export class InFlightLimit {
  #mostBytes: number;
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #tellsSoon = false;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** The last bytes that fit may be more than what was left, so that a piece of any size fits. */
  get isFull(): boolean {
    return this.#bytes >= this.#mostBytes;
  }

  limitTo(mostBytes: number): void {
    this.#mostBytes = mostBytes;
    this.#tellSoon();
  }

  /** @param bytes negative: they have arrived */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (bytes < 0) this.#tellSoon();
  }

  /** Calls `hasRoom` once, from a turn of its own. */
  wait(hasRoom: () => void): void {
    if (!this.#waiting.includes(hasRoom)) this.#waiting.push(hasRoom);
  }

  forget(hasRoom: () => void): void {
    const at = this.#waiting.indexOf(hasRoom);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Everybody asks again: the limit may not be theirs any more. */
  release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const hasRoom of waiting) queueMicrotask(hasRoom);
  }

  /** Later, because whoever gives bytes back may be in the middle of something. */
  #tellSoon(): void {
    if (this.#tellsSoon || this.#waiting.length === 0) return;
    this.#tellsSoon = true;
    queueMicrotask(() => {
      this.#tellsSoon = false;
      // Not each of them needs the room: only a full limit ends this early.
      for (let turns = this.#waiting.length; turns > 0 && !this.isFull; turns--) this.#waiting.shift()?.();
    });
  }
}
