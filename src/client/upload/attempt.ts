/**
 * One UploadFile call: a part of the content, read ahead, checksummed,
 * compressed where that pays, and sent in order. Only the server's answer
 * confirms bytes.
 *
 *   free slot ─read, crc─▶ prepared ─(encode)─▶ ready ─write─▶ outstanding ─callback─▶ free slot
 *
 * A slot's bytes belong to the call from `write` to the callback; after a
 * failure, when callbacks may not come, slots are never used again.
 */
import { Buffer } from 'node:buffer';
import type { ClientWritableStream, Metadata, ServiceError } from '@grpc/grpc-js';
import { KeepAlive } from '../../base/async/keep-alive.ts';
import { TransferError } from '../../base/errors.ts';
import { FrameWriter } from '../../flow/calls/frame-writer.ts';
import type { CallLink } from '../../flow/connections/call-link.ts';
import { codecNumber } from '../../wire/codec.ts';
import { crc32 } from '../../wire/crc32.ts';
import type { UploadFileRequest, UploadFileResponse } from '../../wire/messages.ts';
import { isStated } from '../../wire/status.ts';
import { UPLOAD_HEADROOM_BYTES, uploadControlFrame, writeUploadHeader } from '../../wire/upload-message.ts';
import type { ChunkCoder, CodedChunk } from '../compression/chunk-coder.ts';
import { AttemptWatch, type WatchedAttempt } from '../connection/attempt-watch.ts';
import { cancelCall, cancelledBy, onCancelled } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import { FINISH_BYTES_PER_MS, OUTSTANDING_MESSAGES, SEND_SLOTS, UNDER_WAY_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import type { ContentCrc } from './content-crc.ts';
import type { SendingPart } from './parts.ts';
import type { OpenSource } from './sources/source.ts';

export interface AttemptContext {
  readonly channel: Channel;
  readonly options: ResolvedOptions;
  readonly source: OpenSource;
  /** Undefined without checksums. */
  readonly contentCrc: ContentCrc | undefined;
  /** Of the connection. */
  readonly coder: ChunkCoder;
  /** Moved as bytes go to the network. */
  readonly part: SendingPart;
  readonly chunkBytes: number;
  /** What the call says first: the upload to write to, or the one to begin. */
  readonly opening: Pick<UploadFileRequest, 'uploadId'> | Pick<UploadFileRequest, 'start'>;
  /** Makes the last message, once all bytes are read; undefined when the call only ends. */
  readonly finishing: () => Promise<Partial<UploadFileRequest> | undefined>;
  /** Its reason, when aborted, is the error the attempt ends with. */
  readonly signal: AbortSignal;
}

const UPLOAD_ID_HEADER = 'sluice-upload-id';

/**
 * - `sending`: bytes are read and written
 * - `awaiting`: the call is half-closed; the answer has not come
 * - `settled`: over, well or badly; nothing is sent any more
 */
type State = 'sending' | 'awaiting' | 'settled';

/** How an attempt ended well. */
export interface AttemptOutcome {
  readonly response: UploadFileResponse;
  /** The source had no more bytes for now: the part is not at its end. */
  readonly isIdle: boolean;
}

interface Slot {
  readonly buffer: Buffer;
  /** Undefined while it is being coded. */
  coded: CodedChunk | undefined;
  /** The message with the chunk as it was coded. */
  frame: Uint8Array;
  /** Offset after its chunk. */
  end: number;
}

export class UploadAttempt implements WatchedAttempt {
  /** Bytes that the transport has taken. */
  deliveredBytes = 0;
  /** After the last byte: how long the bytes in flight may take at the rate so far. */
  extraTimeoutMs = 0;
  /** It failed while it waited for the source: the server is not to blame. */
  hasStarved = false;
  /** The upload that the server began for this call, once known. */
  startedUploadId = '';
  /** The link to the server, as far as this attempt has measured it. */
  link: CallLink | undefined;
  readonly #context: AttemptContext;
  readonly #free: Slot[] = [];
  /** Read, in order, not written yet. */
  readonly #queue: Slot[] = [];
  readonly #startedAtMs = performance.now();
  #slotCount = 0;
  #outstanding = 0;
  /** The transport took something since the attempt last ran empty. */
  #hasMoved = false;
  /** The opening message was sent, so the link is known. */
  #isOpen = false;
  #state: State = 'sending';
  #call: ClientWritableStream<Uint8Array> | undefined;
  #frames: FrameWriter | undefined;
  /** Resumes the reading side when a slot is free, or when all were written. */
  #wake: (() => void) | undefined;
  #settle: (error?: TransferError) => void = () => {};
  #response: UploadFileResponse | undefined;
  #isIdle = false;

  constructor(context: AttemptContext) {
    this.#context = context;
  }

  /** Resolves with the server's answer to the whole part. Rejects with a TransferError. */
  async run(): Promise<AttemptOutcome> {
    const { channel, options, opening, signal } = this.#context;
    if (signal.aborted) throw cancelledBy(signal);
    const call = channel.clientStream<UploadFileResponse>(
      'UploadFile',
      (failure, response) => this.#onAnswer(failure, response),
      (metadata) => this.#onMetadata(metadata),
    );
    this.#call = call;
    this.#frames = new FrameWriter(call);
    const ignoreSignal = onCancelled(signal, (error) => this.fail(error));
    const watch = new AttemptWatch(this, channel, options, 'took nothing');
    const keepAlive = this.#keepAlive(options.keepAliveMs);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === undefined ? resolve() : reject(error));
        this.#write(uploadControlFrame(opening), () => this.#opened());
        this.#send().catch((reason: unknown) => this.fail(TransferError.from(reason)));
      });
    } finally {
      watch.close();
      keepAlive?.close();
      ignoreSignal();
      cancelCall(call);
    }
    return { response: this.#response as UploadFileResponse, isIdle: this.#isIdle };
  }

  /** Speaks up while the source has nothing to send. */
  #keepAlive(silenceMs: number): KeepAlive | undefined {
    if (silenceMs === 0) return undefined;
    return new KeepAlive(silenceMs, {
      sent: () => this.deliveredBytes,
      maySpeak: () => this.#isOpen && this.isPaused,
      speak: () => this.#write(uploadControlFrame({}), () => {}),
    });
  }

  /** Nothing is in flight: the upload waits for its source, not for the server. */
  get isPaused(): boolean {
    return this.#state === 'sending' && this.#outstanding === 0;
  }

  /** Ends the attempt; only the first end counts. */
  fail(error: TransferError): void {
    if (this.#state === 'settled') return;
    this.#state = 'settled';
    this.#queue.length = 0;
    this.#settle(error);
    this.#wake?.();
  }

  /** The reading side: fills slots until the part, or the source, is at its end. */
  async #send(): Promise<void> {
    const { finishing, part, source } = this.#context;
    for (let offset = part.start; offset < part.end && !this.#isOver; ) {
      const slot = await this.#freeSlot();
      if (slot === undefined) return;
      const bytes = await this.#fill(slot, offset);
      if (bytes === 0) break;
      offset += bytes;
    }
    const isEnd = !this.#isOver && !this.#isIdle;
    const last = isEnd ? await finishing() : undefined;
    await this.#written();
    if (this.#isOver) return;
    if (last !== undefined) this.#write(uploadControlFrame(last), () => {});
    this.#state = 'awaiting';
    const underWay = Math.min(1, UNDER_WAY_BYTES / Math.max(1, this.deliveredBytes));
    this.extraTimeoutMs = (performance.now() - this.#startedAtMs) * underWay;
    // The server reads the whole file back and makes it durable.
    if (last !== undefined) this.extraTimeoutMs += (source.size ?? 0) / FINISH_BYTES_PER_MS;
    this.#frames?.end();
  }

  get #isOver(): boolean {
    return this.#state === 'settled';
  }

  /** Bytes read into the slot and queued; 0 when there are none. */
  async #fill(slot: Slot, offset: number): Promise<number> {
    const { chunkBytes, contentCrc, options, part, source } = this.#context;
    const end = Math.min(part.end, offset + chunkBytes);
    const stop = contentCrc?.chunkEnd(offset, end) ?? end;
    part.takenEnd = stop;
    const memory = slot.buffer.subarray(UPLOAD_HEADROOM_BYTES, UPLOAD_HEADROOM_BYTES + stop - offset);
    const outcome = await source.read(memory, offset);
    if (typeof outcome === 'string') {
      this.#isIdle = outcome === 'idle';
      return 0;
    }
    if (this.#isOver) return 0;
    const chunk = memory.subarray(0, outcome);
    const crc = options.verify ? crc32(chunk) : -1;
    if (crc >= 0) contentCrc?.note(offset, outcome, crc);
    slot.end = offset + outcome;
    this.#queue.push(slot);
    void this.#prepare(slot, chunk, offset, crc);
    return outcome;
  }

  #opened(): void {
    this.#isOpen = true;
    this.#context.coder.began(this.link);
  }

  /** Makes the message of a slot's chunk; never rejects. */
  async #prepare(slot: Slot, chunk: Uint8Array, offset: number, crc: number): Promise<void> {
    try {
      const coded = await this.#context.coder.coded(chunk);
      slot.frame = frameOf(slot.buffer, coded, offset, crc);
      slot.coded = coded;
      this.#flush();
    } catch (reason) {
      this.fail(TransferError.from(reason));
    }
  }

  async #freeSlot(): Promise<Slot | undefined> {
    while (!this.#isOver) {
      const slot = this.#free.pop();
      if (slot !== undefined) return slot;
      if (this.#slotCount < SEND_SLOTS) {
        this.#slotCount += 1;
        const buffer = Buffer.allocUnsafeSlow(UPLOAD_HEADROOM_BYTES + this.#context.chunkBytes);
        return { buffer, coded: undefined, frame: buffer, end: 0 };
      }
      await this.#change();
    }
    return undefined;
  }

  async #written(): Promise<void> {
    while (!this.#isOver && this.#queue.length > 0) await this.#change();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** Writes ready messages in order, a few at a time: the queue of the call has no limit in bytes. */
  #flush(): void {
    while (this.#isOpen && !this.#isOver && this.#outstanding < OUTSTANDING_MESSAGES) {
      const slot = this.#queue[0];
      if (slot?.coded === undefined) return;
      this.#queue.shift();
      this.#context.coder.wrote(slot.coded);
      this.#write(slot.frame, () => this.#recycle(slot));
    }
  }

  /** `taken` is called when the transport has the message, unless the attempt is over. */
  #write(frame: Uint8Array, taken: () => void): void {
    this.#outstanding += 1;
    this.#frames?.write(frame, () => {
      this.#outstanding -= 1;
      this.#hasMoved = this.#outstanding > 0;
      this.link ??= this.#call && this.#context.channel.linkOf(this.#call);
      this.deliveredBytes += frame.byteLength;
      if (this.#isOver) return;
      taken();
      this.#flush();
      this.#wake?.();
    });
  }

  #recycle(slot: Slot): void {
    this.#context.part.movedEnd = slot.end;
    this.#context.coder.drained();
    slot.coded = undefined;
    slot.frame = slot.buffer;
    this.#free.push(slot);
  }

  #onMetadata(metadata: Metadata): void {
    const id = metadata.get(UPLOAD_ID_HEADER)[0];
    if (typeof id === 'string') this.startedUploadId = id;
  }

  #onAnswer(failure: ServiceError | null, response: UploadFileResponse | undefined): void {
    if (failure !== null) {
      // Bytes that arrive just as the server gives up change nothing: it has waited for the source.
      this.hasStarved = this.#state === 'sending' && !this.#hasMoved && !this.#context.source.isSeekable;
      this.fail(this.#errorOf(failure));
    } else if (this.#state === 'sending') this.fail(answeredEarly());
    else if (this.#state === 'awaiting') {
      this.#state = 'settled';
      this.#response = response as UploadFileResponse;
      this.#settle();
    }
  }

  #errorOf(failure: ServiceError): TransferError {
    const error = this.#context.channel.failureOf(failure);
    // FAILED_PRECONDITION without a code: the state of the upload tells whether to give up.
    if (error.code === 'VERSION_MISMATCH' && !isStated(error)) {
      return new TransferError('ABORTED', error.message, { cause: failure });
    }
    return error;
  }
}

function answeredEarly(): TransferError {
  return new TransferError('PROTOCOL_ERROR', 'the server answered before it had received everything');
}

/** An uncompressed chunk stays where it was read to. */
function frameOf(buffer: Buffer, coded: CodedChunk, offset: number, crc: number): Uint8Array {
  const { bytes, coding, rawBytes } = coded;
  const compressed = coding.codec !== 'identity';
  const wireBytes = bytes.byteLength;
  const headroom = UPLOAD_HEADROOM_BYTES;
  const target = compressed ? Buffer.allocUnsafe(headroom + wireBytes) : buffer;
  // copy: zlib leaves no headroom in front of a member.
  if (compressed) target.set(bytes, headroom);
  const codec = codecNumber(coding.codec);
  const start = writeUploadHeader(target, headroom, {
    wireBytes,
    // -1: an uncompressed chunk has only one size.
    rawBytes: compressed ? rawBytes : -1,
    compressed,
    codec,
    offset,
    crc32: crc,
  });
  return target.subarray(start, headroom + wireBytes);
}
