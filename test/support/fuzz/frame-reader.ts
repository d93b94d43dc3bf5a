/** Cuts what a peer sends into HTTP/2 frames. */

const HEADER_BYTES = 9;

export class FrameReader {
  readonly #onFrame: (type: number, flags: number, frame: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `frame` is the whole, with its header. */
  constructor(onFrame: (type: number, flags: number, frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  read(bytes: Buffer): void {
    let at = 0;
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (all.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + all.readUIntBE(at, 3);
      if (end > all.length) break;
      this.#onFrame(all.readUInt8(at + 3), all.readUInt8(at + 4), all.subarray(at, end));
      at = end;
    }
    this.#rest = all.subarray(at);
  }
}
