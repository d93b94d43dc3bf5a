/**
 * The messages of one answer to a request for a range, from the file's identity
 * to the summary: each chunk is held against what it should be, decompressed,
 * and moves the position and the sink once it is proven right, in order. The
 * whole is right only when length and checksums agree behind the last chunk.
 */
import { TransferError } from '../../base/errors.ts';
import { crc32 } from '../../wire/crc32.ts';
import type { FileInfo, StreamFileResponse } from '../../wire/messages.ts';
import { brokenContract } from '../broken-contract.ts';
import type { CodecAccount } from '../codec-account.ts';
import type { ResolvedOptions } from '../options.ts';
import { type ChunkListener, ChunkQueue } from './chunk-queue.ts';
import type { Position } from './position.ts';
import { declaredCodec, declaredCrc, NO_CRC, ReceivedRange } from './received-range.ts';
import type { ChunkSink } from './sinks/sink.ts';

export interface RangeContext {
  readonly options: Pick<ResolvedOptions, 'compression' | 'verify'>;
  readonly position: Position;
  readonly sink: Pick<ChunkSink, 'begin' | 'needsCrc32' | 'write'>;
  /** Told of each chunk when it comes, ahead of its delivery to the sink. */
  readonly codecs: Pick<CodecAccount, 'note'>;
}

export interface RangeListener {
  /** The range is delivered and proven. */
  onComplete(): void;
  /** Something was wrong; nothing follows. */
  onFailed(error: TransferError): void;
  /** `isFull` became false. */
  onRoom(): void;
}

export class RangeReceiver implements ChunkListener {
  /** The chunks were right but the whole was not: none of the bytes received here can be trusted. */
  isSuspect = false;
  readonly #context: RangeContext;
  readonly #listener: RangeListener;
  readonly #range: ReceivedRange;
  readonly #queue: ChunkQueue;
  readonly #computesCrc: boolean;
  /** What was asked for; another lane may have taken the rest since. */
  #askedEnd: number;
  #isPinned = false;
  #hasEnded = false;
  #isClosed = false;

  constructor(context: RangeContext, listener: RangeListener) {
    this.#context = context;
    this.#listener = listener;
    this.#computesCrc = context.options.verify || context.sink.needsCrc32;
    this.#queue = new ChunkQueue(this, this.#computesCrc);
    this.#range = new ReceivedRange(context.position.offset);
    this.#askedEnd = context.position.end;
  }

  /** The file of this answer is known. */
  get isPinned(): boolean {
    return this.#isPinned;
  }

  /** As many chunks are being decompressed as may be at once. */
  get isFull(): boolean {
    return this.#queue.isFull;
  }

  /** Offset of the next chunk to arrive. */
  get arrivalOffset(): number {
    return this.#range.arrivalOffset;
  }

  /** Everything has arrived of a range whose rest went to another lane. */
  get isCutShort(): boolean {
    const { end } = this.#context.position;
    return this.#range.arrivalOffset >= end && end < this.#askedEnd;
  }

  /** The server has named the file; comes before the first `take`. Throws as `Position.pin`. */
  pin(file: FileInfo, isPlain: boolean): void {
    const { position, sink } = this.#context;
    const isFirst = position.file === undefined;
    position.pin(file, isPlain);
    this.#askedEnd = Math.min(this.#askedEnd, file.size);
    if (isFirst) sink.begin(file);
    this.#isPinned = true;
  }

  /** The next message. Throws PROTOCOL_ERROR; what else is wrong is told to the listener. */
  take(message: StreamFileResponse): void {
    if (message.chunk.byteLength > 0) this.#takeChunk(message);
    if (message.summary) this.#range.noteSummary(message.summary);
  }

  /** No message follows, and the server says that all went well. */
  finish(): void {
    this.#hasEnded = true;
    this.#concludeIfDone();
  }

  /** The server says that stored bytes are wrong: behind the last one it means all that it has sent. */
  noteDataLoss(): void {
    this.isSuspect = this.#isPinned && this.#range.arrivalOffset >= this.#context.position.end;
  }

  /** Delivers nothing from now on. */
  close(): void {
    this.#isClosed = true;
    this.#queue.close();
  }

  onChunk(content: Uint8Array, contentCrc: number): void {
    const { position, sink } = this.#context;
    const excessBytes = position.offset + content.byteLength - position.end;
    // Of a range that was cut short, or from a plain server, which knows no limit.
    const bytes = excessBytes > 0 ? content.subarray(0, -excessBytes) : content;
    const crc = excessBytes > 0 && this.#computesCrc ? crc32(bytes) : contentCrc;
    if (bytes.byteLength === 0) return;
    this.#range.noteDelivered(bytes.byteLength, crc);
    position.advance(bytes.byteLength, crc);
    sink.write(bytes, crc);
  }

  onChunkError(error: TransferError): void {
    this.#listener.onFailed(error);
  }

  onSlotFree(): void {
    this.#listener.onRoom();
    this.#concludeIfDone();
  }

  #takeChunk(message: StreamFileResponse): void {
    const { codecs, options, position } = this.#context;
    const { isPlain } = position;
    const offset = this.#range.arrivalOffset;
    const rawBytes = isPlain
      ? this.#range.admitPlain(message)
      : this.#range.admitDetailed(message, this.#askedEnd);
    position.takenEnd = Math.min(this.#range.arrivalOffset, position.end);
    const crc = isPlain ? NO_CRC : declaredCrc(message, options.verify);
    if (message.compressed) {
      const codec = declaredCodec(message);
      if (options.compression === 'never') {
        throw brokenContract(`a chunk is compressed with ${codec}, and nothing was to be compressed`);
      }
      codecs.note(codec, rawBytes, message.chunk.byteLength);
      this.#queue.pushCompressed(message.chunk, codec, rawBytes, crc, offset);
    } else {
      codecs.note('identity', rawBytes, rawBytes);
      this.#queue.pushPlain(message.chunk, crc, offset);
    }
  }

  #concludeIfDone(): void {
    if (!this.#hasEnded || !this.#isPinned || this.#isClosed || !this.#queue.isEmpty) return;
    const { position, options } = this.#context;
    this.close();
    try {
      this.#range.checkLength(position.end);
      // Of a range that was cut short there is no summary; each chunk was checked.
      if (options.verify && !position.isPlain && position.end === this.#askedEnd) this.#range.checkSummary();
    } catch (reason) {
      const error = TransferError.from(reason);
      this.isSuspect = error.code === 'CHECKSUM_MISMATCH';
      this.#listener.onFailed(error);
      return;
    }
    this.#listener.onComplete();
  }
}
