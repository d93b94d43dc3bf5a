/** The bytes of one transfer's chunks, by what they were compressed with. */
import type { Coding } from '../base/coding.ts';

export interface CodecBytes {
  /** Bytes of chunks as they went over the network. */
  readonly wireBytes: number;
  /** Bytes before compression, by codec; `identity` is uncompressed. */
  readonly bytesByCodec: Readonly<Record<'identity' | 'gzip' | 'brotli' | 'zstd', number>>;
}

/** What one chunk or pack was, and what became of it. */
export interface CodedBytes {
  readonly codec: Coding['codec'];
  readonly rawBytes: number;
  readonly wireBytes: number;
}

export class CodecAccount {
  #wireBytes = 0;
  readonly #bytesByCodec = { identity: 0, gzip: 0, brotli: 0, zstd: 0 };
  #takenBytes = 0;

  /** So many more are to be coded. Returns the sum so far: parts of a file may come in any order. */
  taken(rawBytes: number): number {
    this.#takenBytes += rawBytes;
    return this.#takenBytes;
  }

  /** So many have gone over the network as so many. */
  note(codec: Coding['codec'], rawBytes: number, wireBytes: number): void {
    this.#bytesByCodec[codec] += rawBytes;
    this.#wireBytes += wireBytes;
  }

  /** A part of what went over the network together: it has its share of that. */
  noteShare({ codec, rawBytes, wireBytes }: CodedBytes, partBytes: number): void {
    if (partBytes > 0) this.note(codec, partBytes, Math.round((wireBytes * partBytes) / rawBytes));
  }

  get total(): CodecBytes {
    return { wireBytes: this.#wireBytes, bytesByCodec: { ...this.#bytesByCodec } };
  }
}
