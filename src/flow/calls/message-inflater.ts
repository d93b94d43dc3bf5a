/**
 * Stands before a MessageCutter for a sender that compresses whole messages
 * (grpc-encoding): each goes through a decompressor of its own, piece by piece,
 * and what comes out goes to the cutter, as fast as that takes it.
 *
 * Invariant: beside the state of one decompressor there is one piece in front
 * of it and one behind it, whatever a message becomes.
 */
import { createGunzip, createInflate, type Gunzip, type Inflate } from 'node:zlib';
import { TransferError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import { FRAME_HEADER_BYTES } from '../../wire/chunk-header.ts';
import type { MessageCutter } from './message-cutter.ts';

export type MessageEncoding = 'gzip' | 'deflate';

export interface InflaterOptions {
  encoding: MessageEncoding;
  /** The most bytes of one message on the wire. */
  maxMessageBytes: number;
  /** False while nothing more is to go to the cutter. */
  mayTake: () => boolean;
  /** There may be more to take now, or to feed; not from within `feed`. */
  progress: () => void;
  failed: (error: TransferError) => void;
}

/** Of what a decompressor hands on at once. */
const PIECE_BYTES = 32 * KIB;

/** `header`: a frame header; `plain`, `compressed`: the bytes of a message; `ending`: a decompressor has its last byte. */
type State = 'header' | 'plain' | 'compressed' | 'ending';

const EMPTY = Buffer.alloc(0);

export class MessageInflater {
  readonly #cutter: MessageCutter;
  readonly #options: InflaterOptions;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #state: State = 'header';
  /** Of the present message, not yet taken. */
  #left = 0;
  #decoder: Gunzip | Inflate | null = null;
  /** The decompressor has not taken the last piece yet. */
  #isWriting = false;
  /** Decompressed, not taken by the cutter. */
  #rest: Buffer = EMPTY;

  constructor(cutter: MessageCutter, options: InflaterOptions) {
    this.#cutter = cutter;
    this.#options = options;
  }

  /** True when the stream may not end here. */
  get isMidMessage(): boolean {
    return this.#state !== 'header' || this.#headerBytes > 0 || this.#cutter.isMidMessage;
  }

  /** True while `progress` is still to come, and feeding more would be too much. */
  get isBusy(): boolean {
    return this.#isWriting || this.#rest.length > 0 || this.#state === 'ending';
  }

  /** As `MessageCutter.feed`; what is being decompressed counts as taken. */
  feed(data: Buffer, at: number): number {
    let next = at;
    while (this.#options.mayTake() && this.#drain() && !this.isBusy && next < data.length) {
      const from = next;
      next = this.#step(data, next);
      if (next === from) break;
    }
    return next;
  }

  /** Frees the decompressor: nothing more is fed or taken. */
  close(): void {
    this.#decoder?.destroy();
    this.#decoder = null;
    this.#rest = EMPTY;
  }

  #step(data: Buffer, at: number): number {
    if (this.#state === 'header') return this.#takeHeader(data, at);
    const end = Math.min(data.length, at + this.#left);
    if (this.#state === 'plain') {
      const taken = this.#cutter.feed(data.subarray(at, end), 0);
      this.#left -= taken;
      if (this.#left === 0) this.#state = 'header';
      return at + taken;
    }
    this.#left -= end - at;
    this.#isWriting = true;
    this.#decoder?.write(data.subarray(at, end), () => {
      this.#isWriting = false;
      if (this.#decoder !== null) this.#options.progress();
    });
    if (this.#left === 0) this.#finish();
    return end;
  }

  #takeHeader(data: Buffer, at: number): number {
    this.#header[this.#headerBytes++] = data[at] as number;
    if (this.#headerBytes < FRAME_HEADER_BYTES) return at + 1;
    this.#headerBytes = 0;
    this.#left = this.#header.readUInt32BE(1);
    if (this.#left > this.#options.maxMessageBytes) {
      throw new TransferError('RESOURCE_EXHAUSTED', `a message has ${this.#left} bytes; send smaller chunks`);
    }
    if (this.#header[0] === 0) {
      // A message without bytes is whole with its header.
      this.#state = this.#left === 0 ? 'header' : 'plain';
      this.#cutter.feed(this.#header, 0);
    } else {
      this.#begin();
    }
    return at + 1;
  }

  #begin(): void {
    this.#state = 'compressed';
    this.#cutter.beginOpenEnded();
    const options = { chunkSize: PIECE_BYTES };
    const decoder = this.#options.encoding === 'gzip' ? createGunzip(options) : createInflate(options);
    this.#decoder = decoder;
    decoder.on('readable', () => {
      if (this.#decoder === decoder) this.#options.progress();
    });
    decoder.on('end', () => this.#ended(decoder));
    decoder.on('error', (cause) => {
      if (this.#decoder !== decoder) return;
      this.close();
      this.#options.failed(
        new TransferError('INVALID_ARGUMENT', 'a message does not match its grpc-encoding', { cause }),
      );
    });
    if (this.#left === 0) this.#finish();
  }

  #finish(): void {
    this.#state = 'ending';
    this.#decoder?.end();
  }

  /** Hands on what was decompressed; false when the cutter takes no more now. */
  #drain(): boolean {
    while (this.#decoder !== null || this.#rest.length > 0) {
      if (this.#rest.length === 0) this.#rest = (this.#decoder?.read() as Buffer | null) ?? EMPTY;
      if (this.#rest.length === 0) break;
      const taken = this.#cutter.feed(this.#rest, 0);
      this.#rest = this.#rest.subarray(taken);
      if (this.#rest.length > 0 || !this.#options.mayTake()) return false;
    }
    return true;
  }

  #ended(decoder: Gunzip | Inflate): void {
    if (this.#decoder !== decoder) return;
    this.#decoder = null;
    this.#state = 'header';
    try {
      this.#cutter.endOpenEnded();
    } catch (error) {
      this.#options.failed(TransferError.from(error));
      return;
    }
    this.#options.progress();
  }
}
