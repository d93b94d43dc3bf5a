/**
 * Whether the next chunk of an upload is compressed: never, always, or as long
 * as it pays. A chunk that does not get smaller is followed by a pause, twice
 * as long each time: an archive can hold text behind pictures.
 */
import type { Buffer } from 'node:buffer';
import { gzip, constants as zlib } from 'node:zlib';
import { contentTypeOf, mayCompress } from '../base/content-type.ts';
import { TransferError } from '../base/errors.ts';
import { KIB, MIB } from '../base/units.ts';
import { COMPRESS_SLOTS } from './limits.ts';
import type { CompressionMode } from './options.ts';

/** gzip level 1: three times the rate of level 6 for four fifths of what it gains. */
const LEVEL = zlib.Z_BEST_SPEED;

/** A fifth more speed than the default for a few more pages. */
const MEM_LEVEL = 9;

/** Room so that the result never has to grow. */
const GZIP_OVERHEAD_BYTES = KIB;

/** A chunk that keeps more of its size than this was not worth the time of both sides. */
const WORTHWHILE_RATIO = 0.95;

/** The bytes that are tried first while it is not known whether it pays. */
const PROBE_BYTES = 16 * KIB;

/** Smaller chunks are dominated by what a message costs anyway. */
const MIN_BYTES = 256;

const FIRST_PAUSE_BYTES = 8 * MIB;
const MAX_PAUSE_BYTES = 512 * MIB;

export class UploadCompression {
  readonly #mode: CompressionMode;
  #isPaying = false;
  #pauseBytes = FIRST_PAUSE_BYTES;
  #leftOfPauseBytes = 0;
  #running = 0;
  readonly #queue: (() => void)[] = [];

  /** @param name tells the type */
  constructor(mode: CompressionMode, name: string) {
    this.#mode = mode === 'auto' && !mayCompress(contentTypeOf(name)) ? 'never' : mode;
  }

  /** The chunk as one gzip member, or undefined where it should go as it is. */
  async compressed(chunk: Uint8Array): Promise<Buffer | undefined> {
    if (!this.#mayTry(chunk.byteLength)) return undefined;
    if (this.#mode === 'auto' && !this.#isPaying && !(await this.#probe(chunk))) return undefined;
    const member = await this.#inTurn(() => gzipped(chunk));
    if (this.#mode === 'auto') this.#observe(member.byteLength / chunk.byteLength);
    return member.byteLength < chunk.byteLength ? member : undefined;
  }

  #mayTry(bytes: number): boolean {
    if (this.#mode === 'never' || (this.#mode === 'auto' && bytes < MIN_BYTES)) return false;
    if (this.#leftOfPauseBytes <= 0) return true;
    this.#leftOfPauseBytes -= bytes;
    return false;
  }

  /** At most COMPRESS_SLOTS at once, over all connections of the upload. */
  async #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    while (this.#running >= COMPRESS_SLOTS) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#running += 1;
    try {
      return await action();
    } finally {
      this.#running -= 1;
      this.#queue.shift()?.();
    }
  }

  async #probe(chunk: Uint8Array): Promise<boolean> {
    const sample = chunk.subarray(0, PROBE_BYTES);
    const ratio = (await gzipped(sample)).byteLength / sample.byteLength;
    if (ratio > WORTHWHILE_RATIO) this.#observe(ratio);
    return ratio <= WORTHWHILE_RATIO;
  }

  #observe(ratio: number): void {
    this.#isPaying = ratio <= WORTHWHILE_RATIO;
    if (this.#isPaying) {
      this.#pauseBytes = FIRST_PAUSE_BYTES;
      return;
    }
    // Several chunks are under way when the bytes change their kind; only the first of them tells something new.
    if (this.#leftOfPauseBytes > 0) return;
    this.#leftOfPauseBytes = this.#pauseBytes;
    this.#pauseBytes = Math.min(this.#pauseBytes * 2, MAX_PAUSE_BYTES);
  }
}

/** Off the event loop. */
async function gzipped(bytes: Uint8Array): Promise<Buffer> {
  const chunkSize = bytes.byteLength + GZIP_OVERHEAD_BYTES;
  return await new Promise((resolve, reject) => {
    gzip(bytes, { level: LEVEL, memLevel: MEM_LEVEL, chunkSize }, (cause, member) => {
      if (cause === null) resolve(member);
      else reject(new TransferError('INTERNAL', `compressing failed: ${cause.message}`, { cause }));
    });
  });
}
