/**
 * A client-streaming call whose chunks go straight from the network's buffers
 * into memory of the receiver, and which is read only as fast as that is free.
 *
 * The private seam: grpc-js keeps the call in `ServerReadableStream.call` and
 * lets its `decoder` cut the http2 stream into messages; ours takes its place
 * and returns none. `directReadsWork` tests this at start; where it fails,
 * messages come whole from grpc-js and are copied once more.
 *
 * Invariant: while the receiver has no memory or has paused, the http2 stream is
 * not read, so what a sender can have on its way is its HTTP/2 window.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { Metadata, type ServerReadableStream, type StatusObject, type sendUnaryData } from '@grpc/grpc-js';
import { copyBytes } from '../../base/copy-bytes.ts';
import { TransferError } from '../../base/errors.ts';
import { MAX_REQUEST_MESSAGE_BYTES } from '../../base/limits.ts';
import { StallClock, type Watched } from '../../base/stall-clock.ts';
import { FRAME_HEADER_BYTES } from '../../wire/chunk-header.ts';
import { malformedRequest } from '../../wire/service.ts';
import type { StreamWindows } from '../windows/receive-windows.ts';
import { MessageCutter } from './message-cutter.ts';
import { MessageInflater } from './message-inflater.ts';

/** Who takes the messages of an upload call. Everything is called in the order of the stream. */
export interface UploadReceiver<Message> {
  /** Memory of exactly `bytes` for the chunk that begins; null: none now, `proceed` when there is. */
  reserve(bytes: number): Uint8Array | null;
  /** A message without its chunk, of which `chunkBytes` went to the memory reserved. Throws a TransferError to end the call. */
  message(message: Message, chunkBytes: number): void;
  /** The sender has half-closed behind a whole message. */
  ended(): void;
  /** The call cannot go on: the peer broke the contract, or stalled. */
  failed(error: TransferError): void;
}

/** What is used of grpc-js' BaseServerInterceptingCall. */
interface DecodingCall {
  decoder: { write(data: Buffer): Buffer[] };
  incomingEncoding: string;
  stream: ServerHttp2Stream;
}

export interface UploadCallOptions {
  /** False takes whole messages from grpc-js. */
  direct: boolean;
  maxChunkBytes: number;
  /** How long a sender that is being read may send nothing, in milliseconds. */
  stallTimeoutMs: number;
  /** Sees to the receive window of the stream. */
  windows: Pick<StreamWindows, 'follow'>;
}

const NOTHING = Buffer.alloc(0);
const NO_MESSAGES: Buffer[] = [];

export class UploadCall<Request extends { chunk: Uint8Array }, Response> implements Watched {
  readonly #call: ServerReadableStream<Request, Response>;
  readonly #respond: sendUnaryData<Response>;
  readonly #stream: ServerHttp2Stream;
  readonly #options: UploadCallOptions;
  readonly #deserialize: (bytes: Buffer) => Request;
  readonly #closeListeners = new Set<() => void>();
  #receiver: UploadReceiver<Request> | null = null;
  #cutter: MessageCutter | null = null;
  /** Of a sender that compresses whole messages, in front of the cutter. */
  #inflater: MessageInflater | null = null;
  /** Received, but not taken for want of memory. */
  #held: Buffer = NOTHING;
  readonly #heldMessages: Request[] = [];
  #isPaused = false;
  /** The sender has half-closed; there may still be bytes held. */
  #hasEnded = false;
  #isOver = false;
  #isReading = false;
  #clock: StallClock | null = null;
  #movedBytes = 0;

  constructor(
    call: ServerReadableStream<Request, Response>,
    respond: sendUnaryData<Response>,
    deserialize: (bytes: Buffer) => Request,
    options: UploadCallOptions,
  ) {
    this.#call = call;
    this.#respond = respond;
    this.#deserialize = deserialize;
    this.#options = options;
    this.#stream = (call as unknown as { call: DecodingCall }).call.stream;
    options.windows.follow(this.#stream);
    this.#stream.once('close', () => {
      this.#isOver = true;
      this.#isReading = false;
      this.#inflater?.close();
      this.#clock?.close();
      for (const listener of this.#closeListeners) listener();
    });
  }

  /** Bytes that have come, messages and all. */
  get movedBytes(): number {
    return this.#movedBytes;
  }

  /** The sender is not waited for: there is no memory, or it has sent everything. */
  get isHeldUp(): boolean {
    return !this.#isReading;
  }

  get isClosed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  still(stillMs: number): void {
    const { stallTimeoutMs } = this.#options;
    if (stillMs < stallTimeoutMs) return;
    const message = `the sender sent no byte for ${stallTimeoutMs} ms; resume`;
    this.abandon(new TransferError('STALLED', message));
  }

  /** Calls `listener` once the call has ended, in whatever way. */
  onClose(listener: () => void): void {
    if (this.isClosed) queueMicrotask(listener);
    else this.#closeListeners.add(listener);
  }

  /** Begins to read. */
  start(receiver: UploadReceiver<Request>): void {
    this.#receiver = receiver;
    if (!this.#isOver) this.#clock = new StallClock(this, this.#options.stallTimeoutMs).unref();
    if (this.#options.direct) this.#readDirectly(receiver);
    else this.#readMessages();
    this.#call.on('end', () => {
      this.#hasEnded = true;
      this.#take(NOTHING);
    });
    // A cut connection ends in 'close'; what grpc-js emits beside that says no more.
    this.#call.on('error', () => {});
    this.#readOn();
  }

  /** Reads nothing more until `proceed`; callable from `message`. */
  pause(): void {
    this.#isPaused = true;
    this.#stopReading();
  }

  /** Goes on after `pause`, or when memory is free again; not from within `reserve` or `message`. */
  proceed(): void {
    this.#isPaused = false;
    this.#take(NOTHING);
  }

  /** See MessageCutter.moveChunk. */
  moveChunk(memory: Uint8Array): void {
    this.#cutter?.moveChunk(memory);
  }

  /** Sends headers now, before the response. */
  sendHeader(name: string, value: string): void {
    const metadata = new Metadata();
    metadata.set(name, value);
    if (!this.isClosed) this.#call.sendMetadata(metadata);
  }

  /** Takes nothing more: no memory of the receiver is written to any more, and what still arrives is dropped. The call awaits its end. */
  discard(): void {
    this.#isOver = true;
    this.#held = NOTHING;
    this.#heldMessages.length = 0;
    this.#inflater?.close();
    this.#isReading = false;
    this.#clock?.close();
    this.#stream.resume();
    if (!this.#options.direct) this.#call.resume();
  }

  /** Tells the receiver that the call fails with `error`, unless everything has been received. */
  abandon(error: TransferError): void {
    if (this.#isOver) return;
    this.discard();
    this.#receiver?.failed(error);
  }

  /** Ends the call with OK. */
  respond(response: Response): void {
    this.discard();
    this.#respond(null, response);
  }

  /** Ends the call with an error status; what still comes is discarded. */
  fail(status: StatusObject): void {
    this.discard();
    if (!this.isClosed) this.#respond(status);
  }

  /** Ends the call at once; the peer sees RST_STREAM. */
  reset(): void {
    if (!this.isClosed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  #readDirectly(receiver: UploadReceiver<Request>): void {
    this.#cutter = new MessageCutter(
      {
        reserve: (bytes) => receiver.reserve(bytes),
        message: (fields, chunkBytes) => {
          receiver.message(this.#decode(fields), chunkBytes);
          return this.#mayTake;
        },
      },
      this.#options.maxChunkBytes,
    );
    const { call } = this.#call as unknown as { call: DecodingCall };
    this.#inflater = this.#inflaterFor(call.incomingEncoding, this.#cutter);
    call.decoder = {
      write: (data) => {
        this.#take(data);
        return NO_MESSAGES;
      },
    };
    this.#call.on('data', () => {});
  }

  #inflaterFor(encoding: string, cutter: MessageCutter): MessageInflater | null {
    if (encoding !== 'gzip' && encoding !== 'deflate') return null;
    return new MessageInflater(cutter, {
      encoding,
      maxMessageBytes: this.#options.maxChunkBytes + 2 * MAX_REQUEST_MESSAGE_BYTES,
      mayTake: () => this.#mayTake,
      progress: () => this.#take(NOTHING),
      failed: (error) => this.#fail(error),
    });
  }

  #decode(fields: Uint8Array): Request {
    try {
      return this.#deserialize(fields as Buffer);
    } catch (cause) {
      throw malformedRequest('UploadFileRequest', cause);
    }
  }

  /** The rest of `data` is held until there is memory. */
  #cut(cutter: MessageCutter, data: Buffer): void {
    this.#movedBytes += data.length;
    const bytes = this.#behindHeld(data);
    this.#held = NOTHING;
    const taken = this.#mayTake ? (this.#inflater ?? cutter).feed(bytes, 0) : 0;
    if (taken < bytes.length) this.#held = bytes.subarray(taken);
  }

  /** A pause lets an event through that was already on its way. */
  #behindHeld(data: Buffer): Buffer {
    if (this.#held.length === 0) return data;
    return data.length === 0 ? this.#held : Buffer.concat([this.#held, data]);
  }

  #readMessages(): void {
    this.#call.on('data', (message: Request | TransferError) => {
      if (this.#isOver) return;
      if (message instanceof TransferError) {
        this.#fail(message);
        return;
      }
      this.#movedBytes += FRAME_HEADER_BYTES + message.chunk.length;
      this.#heldMessages.push(message);
      this.#take(NOTHING);
    });
  }

  #takeMessages(): void {
    while (this.#mayTake) {
      const message = this.#heldMessages[0];
      if (message === undefined) return;
      const { chunk } = message;
      if (chunk.length > this.#options.maxChunkBytes) {
        throw new TransferError(
          'RESOURCE_EXHAUSTED',
          `a chunk has ${chunk.length} bytes; send at most ${this.#options.maxChunkBytes}`,
        );
      }
      if (chunk.length > 0) {
        const memory = (this.#receiver as UploadReceiver<Request>).reserve(chunk.length);
        if (memory === null) return;
        copyBytes(chunk, memory); // copy: out of the message, which grpc-js allocated
      }
      this.#heldMessages.shift();
      this.#receiver?.message({ ...message, chunk: NOTHING }, chunk.length);
    }
  }

  get #mayTake(): boolean {
    return !this.#isPaused && !this.#isOver;
  }

  /** Takes what is there, and reads on when nothing was left for want of memory. */
  #take(data: Buffer): void {
    if (this.#isOver) return;
    try {
      if (this.#cutter === null) this.#takeMessages();
      else this.#cut(this.#cutter, data);
    } catch (error) {
      this.#fail(TransferError.from(error));
      return;
    }
    if (this.#isOver) return;
    const isHolding = this.#held.length > 0 || this.#heldMessages.length > 0;
    const isBlocked = this.#isPaused || isHolding || this.#inflater?.isBusy === true;
    if (isBlocked) this.#stopReading();
    else if (this.#hasEnded) this.#halfClosed();
    else this.#readOn();
  }

  #fail(error: TransferError): void {
    this.discard();
    this.#receiver?.failed(error);
  }

  #halfClosed(): void {
    if ((this.#inflater ?? this.#cutter)?.isMidMessage) {
      this.#fail(malformedRequest('UploadFileRequest'));
      return;
    }
    this.discard();
    this.#receiver?.ended();
  }

  #readOn(): void {
    this.#isReading = true;
    if (this.#options.direct) {
      if (this.#stream.isPaused()) this.#stream.resume();
    } else if (this.#call.isPaused()) {
      this.#call.resume();
    }
  }

  #stopReading(): void {
    this.#isReading = false;
    if (this.#options.direct) this.#stream.pause();
    else this.#call.pause();
  }
}
