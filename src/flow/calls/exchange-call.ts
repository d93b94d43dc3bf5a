/**
 * A bidirectional call of many small messages each way, some of them large.
 * Answers go out as those of a `BulkCall`. Requests are cut out of the HTTP/2
 * stream here: grpc-js would collect messages of any number of peers, each as
 * large as the largest that is allowed.
 *
 * The private seam: as in `UploadCall`, the call's `decoder` is replaced.
 *
 * Invariant: a message above `SMALL_MESSAGE_BYTES` has its bytes in the quota
 * from before its memory is allocated until its `release`; while there are none,
 * the stream is not read. Nor is it read while answers wait for the peer.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { gunzipSync, inflateSync } from 'node:zlib';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ByteQuota } from '../../base/async/byte-quota.ts';
import { TransferError } from '../../base/errors.ts';
import { REQUEST_MESSAGE_TIMEOUT_MS } from '../../base/limits.ts';
import { KIB } from '../../base/units.ts';
import { FRAME_HEADER_BYTES } from '../../wire/chunk-header.ts';
import type { StreamWindows } from '../windows/receive-windows.ts';
import { BulkCall } from './bulk-call.ts';

/** What is used of grpc-js' BaseServerInterceptingCall. */
interface DecodingCall {
  decoder: { write(data: Buffer): Buffer[] };
  incomingEncoding: string;
  stream: ServerHttp2Stream;
}

/** Who takes the messages of an exchange. Everything is called in the order of the stream. */
export interface ExchangeReceiver {
  /** A whole message, still encoded. `release` says that its bytes are not needed any more. */
  message(bytes: Buffer, release: () => void): void;
  /** The peer sends nothing more. */
  halfClosed(): void;
}

export interface ExchangeCallOptions {
  zeroCopy: boolean;
  stallTimeoutMs: number;
  maxMessageBytes: number;
  /** For large messages, of all calls together; at least one of the largest. */
  quota: ByteQuota;
  /** They follow the link from the first large message on: most streams never have one. */
  windows: Pick<StreamWindows, 'follow'>;
}

/** What every call may hold of a message that is not whole. */
const SMALL_MESSAGE_BYTES = 16 * KIB;

/** Who sends a large message more slowly keeps others from sending theirs. */
const MIN_BYTES_PER_MS = 16;

/** Answers that the peer has not taken, above which its requests wait. */
const MAX_POSTED_BYTES = 64 * KIB;

const NOTHING = Buffer.alloc(0);
const NO_MESSAGES: Buffer[] = [];
const INFLATE = { gzip: gunzipSync, deflate: inflateSync } as const;

export class ExchangeCall<Answer> {
  readonly answers: BulkCall<never, Answer>;
  readonly #call: ServerDuplexStream<never, Answer>;
  readonly #decoding: DecodingCall;
  readonly #options: ExchangeCallOptions;
  readonly #retry = () => this.#take(NOTHING);
  #receiver: ExchangeReceiver | null = null;
  /** Received and not cut yet. */
  #held: Buffer = NOTHING;
  /** The message that is being received, once its header has been. */
  #message: Buffer | null = null;
  #messageBytes = 0;
  #isCompressed = false;
  #lateTimer: NodeJS.Timeout | undefined;
  #receivedBytes = 0;
  #hasEnded = false;
  /** Stopped because the peer does not take its answers, or the receiver has enough. */
  #isFull = false;
  #isHeld = false;
  #isOver = false;

  constructor(call: ServerDuplexStream<never, Answer>, options: ExchangeCallOptions) {
    this.#call = call;
    this.#options = options;
    this.#decoding = (call as unknown as { call: DecodingCall }).call;
    this.answers = new BulkCall<never, Answer>(call, options.zeroCopy, options.stallTimeoutMs);
    this.answers.onEnd(() => this.stop());
    this.answers.onPosted = () => this.#proceed();
  }

  /** Bytes that have come. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Begins to read. */
  start(receiver: ExchangeReceiver): void {
    this.#receiver = receiver;
    this.#decoding.decoder = {
      write: (data) => {
        this.#receivedBytes += data.length;
        this.#take(data);
        return NO_MESSAGES;
      },
    };
    this.#call.on('data', () => {});
    this.#call.on('end', () => {
      this.#hasEnded = true;
      this.#take(NOTHING);
    });
    // A cut connection ends in 'close'; what grpc-js emits beside that says no more.
    this.#call.on('error', () => {});
  }

  /** While `isHeld`, no further message is taken. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld && this.#isFull) queueMicrotask(() => this.#proceed());
  }

  /** Reads nothing more: what still comes is dropped. Safe to call twice. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#held = NOTHING;
    clearTimeout(this.#lateTimer);
    this.#options.quota.forget(this.#retry);
    if (this.#message !== null) this.#release(this.#message.length);
    this.#message = null;
    this.#decoding.stream.resume();
  }

  #take(data: Buffer): void {
    if (this.#isOver) return;
    try {
      const bytes = this.#held.length === 0 ? data : Buffer.concat([this.#held, data]);
      const taken = this.#cut(bytes);
      if (this.#isOver) return;
      this.#held = bytes.subarray(taken);
    } catch (error) {
      this.answers.abandon(TransferError.from(error));
      return;
    }
    // Part of a header waits for the rest; more than that waits for the quota, or for the peer.
    if (this.#held.length >= FRAME_HEADER_BYTES || this.#isFull) this.#decoding.stream.pause();
    else if (this.#hasEnded) this.#halfClosed();
    else this.#decoding.stream.resume();
  }

  /** Returns where it stopped: behind the last whole message, or where the quota has no room for the next. */
  #cut(data: Buffer): number {
    let at = 0;
    while (!this.#isOver) {
      if (this.#message === null) {
        this.#isFull = this.#mustWait;
        if (this.#isFull || data.length - at < FRAME_HEADER_BYTES) return at;
        if (!this.#begin(data, at)) return at;
        at += FRAME_HEADER_BYTES;
      }
      const message = this.#message as unknown as Buffer;
      const bytes = Math.min(message.length - this.#messageBytes, data.length - at);
      data.copy(message, this.#messageBytes, at, at + bytes); // copy: out of Node's read buffer
      this.#messageBytes += bytes;
      at += bytes;
      if (this.#messageBytes < message.length) return at;
      this.#deliver(message);
    }
    return at;
  }

  #proceed(): void {
    if (this.#isFull && !this.#mustWait) this.#take(NOTHING);
  }

  /** A peer that asks and does not read is not read either. */
  get #mustWait(): boolean {
    return this.#isHeld || this.answers.postedBytes > MAX_POSTED_BYTES;
  }

  #begin(data: Buffer, at: number): boolean {
    const { maxMessageBytes, quota, windows } = this.#options;
    const bytes = data.readUInt32BE(at + 1);
    if (bytes > maxMessageBytes) throw tooLarge(bytes, maxMessageBytes);
    if (bytes > SMALL_MESSAGE_BYTES) windows.follow(this.#decoding.stream);
    if (bytes > SMALL_MESSAGE_BYTES && !quota.take(bytes, this.#retry)) return false;
    this.#isCompressed = data[at] !== 0;
    this.#message = Buffer.allocUnsafeSlow(bytes);
    this.#messageBytes = 0;
    if (bytes > SMALL_MESSAGE_BYTES) {
      const late = () => this.answers.abandon(new TransferError('DEADLINE_EXCEEDED', TOO_SLOW));
      this.#lateTimer = setTimeout(late, REQUEST_MESSAGE_TIMEOUT_MS + bytes / MIN_BYTES_PER_MS).unref();
    }
    return true;
  }

  #deliver(message: Buffer): void {
    clearTimeout(this.#lateTimer);
    this.#message = null;
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      this.#release(message.length);
    };
    this.#receiver?.message(this.#isCompressed ? this.#inflated(message) : message, release);
  }

  #release(bytes: number): void {
    if (bytes > SMALL_MESSAGE_BYTES) this.#options.quota.give(bytes);
  }

  /** Of a peer whose channel compresses messages: small ones only, which the quota need not know. */
  #inflated(message: Buffer): Buffer {
    const inflate = INFLATE[this.#decoding.incomingEncoding as keyof typeof INFLATE];
    if (inflate === undefined) throw new TransferError('UNIMPLEMENTED', NOT_INFLATED);
    try {
      return inflate(message, { maxOutputLength: SMALL_MESSAGE_BYTES });
    } catch (cause) {
      throw new TransferError('INVALID_ARGUMENT', NOT_INFLATED, { cause });
    }
  }

  #halfClosed(): void {
    if (this.#message !== null || this.#held.length > 0) {
      this.answers.abandon(new TransferError('INVALID_ARGUMENT', 'the stream ends within a message'));
      return;
    }
    this.#hasEnded = false;
    this.#receiver?.halfClosed();
  }
}

const TOO_SLOW = 'a message did not come whole in time; send smaller packs over a slow link';
const NOT_INFLATED = `compressed messages are taken with gzip or deflate, up to ${SMALL_MESSAGE_BYTES} bytes; compress the content of packs instead`;

function tooLarge(bytes: number, maxBytes: number): TransferError {
  return new TransferError(
    'RESOURCE_EXHAUSTED',
    `a message has ${bytes} bytes, more than ${maxBytes}; send packs of at most max_pack_size`,
  );
}
