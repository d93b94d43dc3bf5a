/**
 * Puts the chunks of one range into order while up to INFLATE_SLOTS of them are
 * inflated at the same time; more of them wait as they came. A plain chunk with
 * nothing before it passes straight through, without allocation.
 */
import type { CodecName } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import { decodeChunk } from '../../wire/chunk-decoder.ts';
import { crc32 } from '../../wire/crc32.ts';
import { INFLATE_SLOTS } from '../limits.ts';
import { NO_CRC } from './received-range.ts';

export interface ChunkListener {
  /** The next chunk in order; the receiver owns it. `crc` is its CRC-32, or 0 when not computed. */
  onChunk(bytes: Uint8Array, crc: number): void;
  /** A chunk was wrong; nothing follows. */
  onChunkError(error: TransferError): void;
  /** `isFull` became false. */
  onSlotFree(): void;
}

interface Slot {
  /** Undefined while it is compressed. */
  bytes: Uint8Array | undefined;
  /** Begins to inflate it; undefined once that has begun. */
  inflate?: (() => void) | undefined;
  readonly expectedCrc: number;
  readonly offset: number;
}

export class ChunkQueue {
  readonly #listener: ChunkListener;
  readonly #computesCrc: boolean;
  readonly #slots: Slot[] = [];
  #isClosed = false;

  constructor(listener: ChunkListener, computesCrc: boolean) {
    this.#listener = listener;
    this.#computesCrc = computesCrc;
  }

  /** Every slot is taken. */
  get isFull(): boolean {
    return this.#slots.length >= INFLATE_SLOTS;
  }

  get isEmpty(): boolean {
    return this.#slots.length === 0;
  }

  /** A chunk as it is. */
  pushPlain(bytes: Uint8Array, expectedCrc: number, offset: number): void {
    if (this.isEmpty) this.#deliver(bytes, expectedCrc, offset);
    else this.#slots.push({ bytes, expectedCrc, offset });
  }

  /** A chunk of `rawBytes` content bytes in one whole of `codec`. Throws PROTOCOL_ERROR when it is seen not to be one. */
  pushCompressed(
    chunk: Uint8Array,
    codec: CodecName,
    rawBytes: number,
    expectedCrc: number,
    offset: number,
  ): void {
    const slot: Slot = { bytes: undefined, expectedCrc, offset };
    const inflate = () =>
      decodeChunk(chunk, codec, rawBytes, (error, content) => {
        if (this.#isClosed) return;
        if (error !== undefined) return this.#listener.onChunkError(error);
        slot.bytes = content;
        this.#deliverReady();
      });
    if (this.isFull) slot.inflate = inflate;
    this.#slots.push(slot);
    if (slot.inflate === undefined) inflate();
  }

  /** Delivers nothing from now on. */
  close(): void {
    this.#isClosed = true;
    this.#slots.length = 0;
  }

  #deliverReady(): void {
    const wasFull = this.isFull;
    for (let head = this.#slots[0]; head?.bytes !== undefined; head = this.#slots[0]) {
      this.#slots.shift();
      this.#deliver(head.bytes, head.expectedCrc, head.offset);
      this.#inflateNext();
    }
    if (!this.#isClosed && (wasFull !== this.isFull || this.isEmpty)) this.#listener.onSlotFree();
  }

  /** The slot that has come within the first INFLATE_SLOTS. */
  #inflateNext(): void {
    const next = this.#slots[INFLATE_SLOTS - 1];
    const inflate = next?.inflate;
    if (next === undefined || inflate === undefined) return;
    next.inflate = undefined;
    try {
      inflate();
    } catch (reason) {
      this.#listener.onChunkError(TransferError.from(reason));
    }
  }

  #deliver(bytes: Uint8Array, expectedCrc: number, offset: number): void {
    if (this.#isClosed) return;
    const crc = this.#computesCrc || expectedCrc !== NO_CRC ? crc32(bytes) : 0;
    if (expectedCrc !== NO_CRC && crc !== expectedCrc) {
      const message = `the ${bytes.byteLength} bytes at offset ${offset} do not have the CRC-32 they were sent with`;
      this.#listener.onChunkError(new TransferError('CHECKSUM_MISMATCH', message));
    } else this.#listener.onChunk(bytes, crc);
  }
}
