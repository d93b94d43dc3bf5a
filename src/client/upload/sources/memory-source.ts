/** Bytes in memory as the source. They belong to the caller, who leaves them alone until the upload has ended. */
import type { OpenSource, ReadOutcome } from './source.ts';

export class MemorySource implements OpenSource {
  readonly isSeekable = true;
  readonly isPressed = false;
  onPressed: undefined;
  readonly identity = undefined;
  readonly releasedBytes = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.byteLength;
  }

  async read(target: Uint8Array, offset: number): Promise<ReadOutcome> {
    const piece = this.#bytes.subarray(offset, offset + target.byteLength);
    if (piece.byteLength === 0) return 'end';
    // copy: a message is its header and its chunk in one piece.
    target.set(piece);
    return piece.byteLength;
  }

  async readable(): Promise<void> {}

  isFullAt(): boolean {
    return false;
  }

  release(): void {}

  async checkUnchanged(): Promise<void> {}

  async reopen(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {}
}
