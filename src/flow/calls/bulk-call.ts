/**
 * A server-streaming call that can send whole runs of framed messages without
 * copying them, and that can tell when their bytes are not touched any more.
 *
 * The private seam: grpc-js keeps the call that does the framing in
 * `ServerWritableStream.call`; its `serializeMessage` is replaced so that a
 * `FramedRun` goes to http2 as it is. `probeZeroCopy` tests this at start; where
 * it fails, every message of a run is sent through the ordinary path.
 *
 * Invariant: `untouched` resolves only when the peer has taken the bytes, the
 * session is gone, or a later PING came back: it queues behind all DATA.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { ServerWritableStream, StatusObject } from '@grpc/grpc-js';
import { copyBytes } from '../../base/copy-bytes.ts';
import { TransferError } from '../../base/errors.ts';
import { StallClock, type Watched } from '../../base/stall-clock.ts';
import { FRAME_HEADER_BYTES, framedMessageBytes } from '../../wire/chunk-header.ts';
import { pingBarrier } from './ping-barrier.ts';

/** Whole gRPC frames, to be sent as they are. */
export class FramedRun {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** What is used of grpc-js' BaseServerInterceptingCall. */
interface FramingCall {
  serializeMessage(value: unknown): Uint8Array;
  stream: ServerHttp2Stream;
}

/** How long to wait before asking a session again that has too many pings under way. */
const PING_RETRY_MS = 500;

export class BulkCall<Request, Response> implements Watched {
  readonly #call: ServerWritableStream<Request, Response | FramedRun>;
  readonly #stream: ServerHttp2Stream;
  readonly #session: ServerHttp2Session | undefined;
  readonly #zeroCopy: boolean;
  readonly #stallTimeoutMs: number;
  readonly #clock: StallClock;
  readonly #closeListeners = new Set<() => void>();
  readonly #abandonListeners = new Set<(error: TransferError) => void>();
  #abandonedBy: TransferError | null = null;
  #writeEnded: Promise<void> | null = null;
  #isFailed = false;
  /** Bytes of messages that were handed to the stream, and of those the peer took. */
  #sentBytes = 0;
  #movedBytes = 0;
  /** Something is handed to the stream, and the peer has not taken it. */
  #isSending = false;

  constructor(
    call: ServerWritableStream<Request, Response | FramedRun>,
    zeroCopy: boolean,
    stallTimeoutMs: number,
  ) {
    this.#call = call;
    this.#zeroCopy = zeroCopy;
    this.#stallTimeoutMs = stallTimeoutMs;
    const framing = framingCallOf(call);
    this.#stream = framing.stream;
    this.#clock = new StallClock(this, stallTimeoutMs).unref();
    this.onClose(() => this.#clock.close());
    this.#stream.once('close', () => {
      for (const listener of this.#closeListeners) listener();
    });
    // A closed stream forgets its session, which is when it is needed.
    this.#session = this.#stream.session as ServerHttp2Session | undefined;
    if (this.#session) void rememberEnd(this.#session);
    const ordinary = framing.serializeMessage.bind(framing);
    framing.serializeMessage = (value) => {
      const bytes = zeroCopy && value instanceof FramedRun ? value.bytes : ordinary(value);
      this.#sentBytes += bytes.length;
      return bytes;
    };
  }

  get request(): Request {
    return this.#call.request;
  }

  /** Bytes that the peer has taken, as far as its whole writes tell. */
  get movedBytes(): number {
    return this.#movedBytes;
  }

  /** Nothing waits for the peer. */
  get isHeldUp(): boolean {
    return !this.#isSending;
  }

  /** True once the peer cannot be reached by this call any more. */
  get isClosed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  /** Calls `listener` once the call has ended, in whatever way. */
  onClose(listener: () => void): void {
    if (this.isClosed) queueMicrotask(listener);
    else this.#closeListeners.add(listener);
  }

  /** The call is to end with `error`, and its handler soon: what waits for the peer waits no longer. The first error stays. */
  abandon(error: TransferError): void {
    if (this.#abandonedBy !== null) return;
    this.#abandonedBy = error;
    for (const listener of this.#abandonListeners) listener(error);
  }

  /** Calls `listener` when the call is abandoned, also when it was before. */
  onAbandon(listener: (error: TransferError) => void): void {
    if (this.#abandonedBy === null) this.#abandonListeners.add(listener);
    else listener(this.#abandonedBy);
  }

  /** Calls `listener` when nothing more is to be sent, with the reason; again when the call ends after it was abandoned. */
  onEnd(listener: (error: TransferError) => void): void {
    this.onClose(() => listener(new TransferError('CANCELLED', 'the client ended the call')));
    this.onAbandon(listener);
  }

  /** A write that the peer takes nothing of ends the call; progress inside of one cannot be seen. */
  still(stillMs: number): void {
    const timeoutMs = this.#stallTimeoutMs;
    if (stillMs < timeoutMs) return;
    this.abandon(new TransferError('STALLED', `the reader took no byte for ${timeoutMs} ms; resume`));
  }

  /** Sends one ordinary message; resolves when it is written, or the call has ended. Throws why it was abandoned. */
  send(message: Response): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = () => {
        this.#closeListeners.delete(sent);
        this.#abandonListeners.delete(failed);
      };
      const failed = (error: TransferError) => {
        over();
        reject(error);
      };
      const sent = () => {
        this.#taken();
        over();
        resolve();
      };
      this.onAbandon(failed);
      if (this.#abandonedBy !== null) return;
      this.onClose(sent);
      this.#isSending = true;
      this.#call.write(message, sent);
    });
  }

  #taken(): void {
    this.#isSending = false;
    this.#movedBytes = this.#sentBytes;
  }

  /** Sends a run of frames. At most one at a time; see `Outlet.write`. */
  write(run: Uint8Array, done: () => void): void {
    if (this.isClosed) return;
    let ended!: () => void;
    this.#writeEnded = new Promise((resolve) => {
      ended = resolve;
    });
    this.#isSending = true;
    const finished = () => {
      this.#taken();
      this.#writeEnded = null;
      ended();
      done();
    };
    if (this.#zeroCopy) this.#call.write(new FramedRun(run), this.#unlessCut(finished));
    else this.#writeMessages(run, 0, finished);
  }

  /** The callback of a write: Node 26 also calls it, without an error, when the stream is destroyed under the write. */
  #unlessCut(written: () => void): (error?: Error | null) => void {
    return (error) => {
      if (!error && !this.#stream.destroyed) written();
    };
  }

  /** The ordinary path: one message after another, each copied by grpc-js. */
  #writeMessages(run: Uint8Array, at: number, finished: () => void): void {
    // Behind its status a call takes no message; the attempt would destroy it, status and all.
    if (at >= run.length || this.#isFailed) {
      finished();
      return;
    }
    const end = at + framedMessageBytes(run, at);
    const next = this.#unlessCut(() => this.#writeMessages(run, end, finished));
    this.#call.write(new FramedRun(run.subarray(at, end)), next);
  }

  /** Resolves when nothing touches the bytes of the last `write` any more. */
  untouched(): Promise<void> {
    if (this.#writeEnded === null) return Promise.resolve();
    const closed = new Promise<void>((resolve) => this.onClose(resolve));
    return Promise.race([this.#writeEnded, closed.then(() => drained(this.#session))]);
  }

  /** See `Outlet.pingBarrier`: a PING queues behind the DATA that was written. */
  pingBarrier(echoed: () => void): boolean {
    return !this.isClosed && pingBarrier(this.#session, echoed);
  }

  /** Ends the call with OK. */
  end(): void {
    this.#clock.close();
    this.#isSending = true;
    this.#call.end();
  }

  /** Ends the call with an error status, behind what is still queued. */
  fail(status: StatusObject): void {
    this.#isFailed = true;
    this.#clock.close();
    this.#isSending = true;
    this.#call.emit('error', status);
  }

  /** Ends the call at once, whatever is queued; the peer sees RST_STREAM. */
  reset(): void {
    if (!this.isClosed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }
}

/** What grpc-js' `serialize` gets to return for a FramedRun on the ordinary path: the message without its frame. */
export function unframed(run: FramedRun): Buffer {
  const { buffer, byteOffset, length } = run.bytes;
  const message = Buffer.from(
    buffer as ArrayBuffer,
    byteOffset + FRAME_HEADER_BYTES,
    length - FRAME_HEADER_BYTES,
  );
  message.copy = (target: Uint8Array, at = 0) => {
    copyBytes(message, target, at); // copy: grpc-js makes one message of header and bytes
    return message.length;
  };
  return message;
}

function framingCallOf(call: object): FramingCall {
  return (call as { call: FramingCall }).call;
}

const sessionEnds = new WeakMap<ServerHttp2Session, Promise<void>>();

function rememberEnd(session: ServerHttp2Session): Promise<void> {
  let end = sessionEnds.get(session);
  if (end === undefined) {
    end = new Promise((resolve) => session.once('close', resolve));
    sessionEnds.set(session, end);
  }
  return end;
}

/** Resolves when everything the session had queued until now is with the peer, or the session is gone. */
function drained(session: ServerHttp2Session | undefined): Promise<void> {
  if (session === undefined) return Promise.resolve();
  const answered = new Promise<void>((resolve) => ping(session, resolve));
  return Promise.race([answered, rememberEnd(session)]);
}

function ping(session: ServerHttp2Session, answered: () => void): void {
  if (session.destroyed) return;
  const sent = session.ping((error) => {
    if (error === null) answered();
  });
  if (!sent) setTimeout(() => ping(session, answered), PING_RETRY_MS).unref();
}
