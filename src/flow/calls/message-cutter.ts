/**
 * Cuts the bytes of a client stream into messages, and takes the chunk out of
 * each: its bytes go straight into memory of the sink, piece by piece
 * as they arrive; the rest of the message, which is still a whole protobuf
 * message, is collected for the ordinary decoder.
 *
 *   | flag | length u32be | field … | 0a varint | chunk … | field … | flag | …
 *
 * Fields may come in any order; the chunk (field 1) at most once. Everything is
 * bounded: nothing is allocated for a length that a peer merely claims.
 */
import { copyBytes } from '../../base/copy-bytes.ts';
import { TransferError } from '../../base/errors.ts';
import { MAX_REQUEST_MESSAGE_BYTES } from '../../base/limits.ts';
import { FRAME_HEADER_BYTES } from '../../wire/chunk-header.ts';
import { malformedRequest } from '../../wire/service.ts';

export interface MessageSink {
  /** Memory of exactly `bytes` for the chunk that begins; null when there is none now: the cutter then stops before it. */
  reserve(bytes: number): Uint8Array | null;
  /**
   * A whole message: its fields without the chunk, valid until the next call of `feed`, and how many
   * bytes of chunk went to its memory. False stops the cutter behind it.
   */
  message(fields: Uint8Array, chunkBytes: number): boolean;
}

const CHUNK_FIELD = 1;
/** Of the fields 1 to 10 of an UploadFileRequest; the ordinary decoder takes them for granted, and would read on elsewhere. */
const WIRE_TYPES: readonly (number | undefined)[] = [undefined, 2, 0, 0, 0, 5, 2, 2, 0, 2, 0];
const MAX_VARINT_BYTES = 10;

/** Of a tag or a length. The ordinary decoder reads longer ones differently, and the two must see the same fields. */
const MAX_SHORT_VARINT_BYTES = 5;
const MAX_TAG = 2 ** 32 - 1;
const EMPTY = new Uint8Array(0);

/**
 * - `frame`: the frame header
 * - `tag`: the tag of a field, or the end of the message
 * - `size`: the length of a length-delimited field
 * - `varint`: the value of a varint field
 * - `bytes`: the rest of a field that is collected
 * - `memory`: a chunk begins, and waits for memory
 * - `chunk`: the bytes of the chunk
 */
type State = 'frame' | 'tag' | 'size' | 'varint' | 'bytes' | 'memory' | 'chunk';

export class MessageCutter {
  readonly #sink: MessageSink;
  readonly #maxChunkBytes: number;
  #state: State = 'frame';
  readonly #frameHeader = Buffer.alloc(FRAME_HEADER_BYTES);
  #frameHeaderBytes = 0;
  /** Of the message, not yet taken; of one without a length, what it may still have. */
  #messageLeft = 0;
  #isOpenEnded = false;
  #fields = Buffer.alloc(256);
  #fieldsBytes = 0;
  /** Where the tag of the present field begins in `#fields`. */
  #tagAt = 0;
  #varint = 0;
  #varintBytes = 0;
  #isChunkField = false;
  /** Of the present field's bytes, not yet taken. */
  #left = 0;
  #chunk: Uint8Array = EMPTY;
  #chunkBytes = -1;

  constructor(sink: MessageSink, maxChunkBytes: number) {
    this.#sink = sink;
    this.#maxChunkBytes = maxChunkBytes;
  }

  /** True when the stream may not end here. */
  get isMidMessage(): boolean {
    return this.#state !== 'frame' || this.#frameHeaderBytes > 0;
  }

  /** The rest of the chunk that is being received, if one is, goes to `memory`: a copy of its memory as it is now. */
  moveChunk(memory: Uint8Array): void {
    if (this.#state === 'chunk') this.#chunk = memory;
  }

  /**
   * Takes `data` from `at` on; returns where it stopped, which is the end unless
   * the sink has no memory or wants no more now. Throws INVALID_ARGUMENT,
   * UNIMPLEMENTED or RESOURCE_EXHAUSTED for what no stream may contain.
   */
  feed(data: Uint8Array, at: number): number {
    let next = at;
    for (;;) {
      if (this.#state === 'memory' && !this.#reserveChunk()) return next;
      if (this.#state === 'tag' && this.#messageLeft === 0) {
        if (this.#isOpenEnded) throw this.#tooLarge(this.#mostMessageBytes + 1);
        if (!this.#endMessage()) return next;
        continue;
      }
      if (next === data.length) return next;
      next = this.#step(data, next);
    }
  }

  #step(data: Uint8Array, at: number): number {
    switch (this.#state) {
      case 'frame':
        return this.#takeFrameHeader(data, at);
      case 'bytes':
      case 'chunk':
        return this.#takeBytes(data, at);
      default:
        this.#takeVarintByte(data[at] as number);
        return at + 1;
    }
  }

  #takeFrameHeader(data: Uint8Array, at: number): number {
    this.#frameHeader[this.#frameHeaderBytes++] = data[at] as number;
    if (this.#frameHeaderBytes < FRAME_HEADER_BYTES) return at + 1;
    if (this.#frameHeader[0] !== 0) {
      throw new TransferError(
        'UNIMPLEMENTED',
        'compressed messages are not accepted; compress the chunks in them instead',
      );
    }
    const bytes = this.#frameHeader.readUInt32BE(1);
    if (bytes > this.#mostMessageBytes) throw this.#tooLarge(bytes);
    this.#frameHeaderBytes = 0;
    this.#beginMessage(bytes);
    return at + 1;
  }

  /** Instead of a frame header: a message whose length only its end tells. What `feed` gets then belongs to it. */
  beginOpenEnded(): void {
    this.#isOpenEnded = true;
    this.#beginMessage(this.#mostMessageBytes + 1);
  }

  /** Behind the last byte of a message without a length. */
  endOpenEnded(): void {
    if (this.#state !== 'tag') throw malformedRequest('UploadFileRequest');
    this.#isOpenEnded = false;
    this.#endMessage();
  }

  #beginMessage(bytes: number): void {
    this.#messageLeft = bytes;
    this.#fieldsBytes = 0;
    this.#chunkBytes = -1;
    this.#beginTag();
  }

  get #mostMessageBytes(): number {
    return this.#maxChunkBytes + MAX_REQUEST_MESSAGE_BYTES;
  }

  #tooLarge(bytes: number): TransferError {
    return new TransferError(
      'RESOURCE_EXHAUSTED',
      `a message has ${bytes} bytes; send chunks of at most ${this.#maxChunkBytes}`,
    );
  }

  #beginTag(): void {
    this.#state = 'tag';
    this.#tagAt = this.#fieldsBytes;
    this.#beginVarint();
  }

  #beginVarint(): void {
    this.#varint = 0;
    this.#varintBytes = 0;
  }

  /** One byte of a tag, a length or a value; each is kept, because the ordinary decoder wants them too. */
  #takeVarintByte(byte: number): void {
    if (this.#messageLeft === 0) throw malformedRequest('UploadFileRequest');
    this.#messageLeft -= 1;
    this.#keep(byte);
    this.#varint += (byte & 0x7f) * 2 ** (7 * this.#varintBytes);
    this.#varintBytes += 1;
    if (byte >= 0x80) {
      const most = this.#state === 'varint' ? MAX_VARINT_BYTES : MAX_SHORT_VARINT_BYTES;
      if (this.#varintBytes === most) throw malformedRequest('UploadFileRequest');
    } else if (this.#state === 'tag') {
      this.#endTag(this.#varint);
    } else if (this.#state === 'size') {
      this.#endSize(this.#varint);
    } else {
      this.#beginTag();
    }
  }

  #endTag(tag: number): void {
    const wireType = tag % 8;
    const field = (tag - wireType) / 8;
    if (field === 0 || tag > MAX_TAG) throw malformedRequest('UploadFileRequest');
    this.#isChunkField = field === CHUNK_FIELD;
    if (wireType !== (WIRE_TYPES[field] ?? wireType)) throw malformedRequest('UploadFileRequest');
    if (wireType === 0) this.#state = 'varint';
    else if (wireType === 1) this.#beginBytes(8);
    else if (wireType === 2) this.#state = 'size';
    else if (wireType === 5) this.#beginBytes(4);
    else throw malformedRequest('UploadFileRequest');
    this.#beginVarint();
  }

  #endSize(bytes: number): void {
    if (!this.#isChunkField) {
      this.#beginBytes(bytes);
      return;
    }
    if (this.#chunkBytes >= 0) throw malformedRequest('UploadFileRequest');
    if (bytes > this.#messageLeft) throw malformedRequest('UploadFileRequest');
    if (bytes > this.#maxChunkBytes) {
      throw new TransferError(
        'RESOURCE_EXHAUSTED',
        `a chunk has ${bytes} bytes; send at most ${this.#maxChunkBytes}`,
      );
    }
    // The rest of the message is one without this field.
    this.#fieldsBytes = this.#tagAt;
    this.#left = bytes;
    this.#chunkBytes = bytes;
    this.#state = 'memory';
  }

  #reserveChunk(): boolean {
    if (this.#left > 0) {
      const memory = this.#sink.reserve(this.#left);
      if (memory === null) return false;
      this.#chunk = memory;
    }
    this.#state = 'chunk';
    if (this.#left === 0) this.#endBytes();
    return true;
  }

  #beginBytes(bytes: number): void {
    if (bytes > this.#messageLeft) throw malformedRequest('UploadFileRequest');
    this.#left = bytes;
    this.#state = 'bytes';
    if (bytes === 0) this.#endBytes();
  }

  #takeBytes(data: Uint8Array, at: number): number {
    const bytes = Math.min(this.#left, data.length - at);
    const piece = data.subarray(at, at + bytes);
    if (this.#state === 'chunk') {
      copyBytes(piece, this.#chunk, this.#chunk.length - this.#left); // copy: out of Node's read buffer, the only one
    } else {
      this.#growFields(bytes);
      this.#fields.set(piece, this.#fieldsBytes);
      this.#fieldsBytes += bytes;
    }
    this.#left -= bytes;
    this.#messageLeft -= bytes;
    if (this.#left === 0) this.#endBytes();
    return at + bytes;
  }

  #endBytes(): void {
    this.#chunk = EMPTY;
    this.#beginTag();
  }

  #endMessage(): boolean {
    if (this.#varintBytes > 0) throw malformedRequest('UploadFileRequest');
    this.#state = 'frame';
    return this.#sink.message(this.#fields.subarray(0, this.#fieldsBytes), Math.max(this.#chunkBytes, 0));
  }

  #keep(byte: number): void {
    this.#growFields(1);
    this.#fields[this.#fieldsBytes++] = byte;
  }

  #growFields(bytes: number): void {
    const needed = this.#fieldsBytes + bytes;
    if (needed <= this.#fields.length) return;
    if (needed > MAX_REQUEST_MESSAGE_BYTES) {
      throw new TransferError('RESOURCE_EXHAUSTED', 'the fields beside the chunk are too large');
    }
    const larger = Buffer.alloc(
      Math.min(MAX_REQUEST_MESSAGE_BYTES, Math.max(needed, this.#fields.length * 2)),
    );
    larger.set(this.#fields.subarray(0, this.#fieldsBytes));
    this.#fields = larger;
  }
}
