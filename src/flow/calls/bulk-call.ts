/**
 * A call that answers with a stream. Runs of framed messages go to its HTTP/2
 * stream as they are, without a copy, and the call can tell when their bytes
 * are not touched any more.
 *
 * The private seam: grpc-js keeps the call below in `call`, with its HTTP/2
 * stream and the serializer of its answers. Messages are written to that stream
 * behind the headers that grpc-js sends, and before its status.
 * `zeroCopyWorks` tests at start that runs in shared memory arrive unchanged;
 * where they do not, each is copied once.
 *
 * Invariant: `untouched` resolves only when the peer has taken the bytes, the
 * session is gone, or the stream is destroyed and a later PING came back: it
 * queues behind all DATA that was handed to the socket.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import {
  Metadata,
  type ServerDuplexStream,
  type ServerWritableStream,
  type StatusObject,
} from '@grpc/grpc-js';
import { KeepAlive } from '../../base/async/keep-alive.ts';
import { TransferError } from '../../base/errors.ts';
import { StallClock, type Watched } from '../../base/stall-clock.ts';
import { pingBarrier } from './ping-barrier.ts';

/** What is used of grpc-js' BaseServerInterceptingCall. */
interface FramingCall<Response> {
  /** The message in its frame. */
  serializeMessage(value: Response): Uint8Array;
  stream: ServerHttp2Stream;
}

/** How long to wait before asking a session again that has too many pings under way. */
const PING_RETRY_MS = 500;

/** A run that was handed to the stream. */
export interface SentRun {
  /** Resolves when the peer has taken it; may never, when the stream ends before. */
  readonly taken: Promise<void>;
}

export class BulkCall<Request, Response> implements Watched {
  /** The peer has taken a message that was posted. */
  onPosted: () => void = () => {};
  readonly #call: ServerWritableStream<Request, Response> | ServerDuplexStream<Request, Response>;
  readonly #framing: FramingCall<Response>;
  readonly #stream: ServerHttp2Stream;
  readonly #session: ServerHttp2Session | undefined;
  readonly #zeroCopy: boolean;
  readonly #stallTimeoutMs: number;
  readonly #clock: StallClock;
  readonly #closeListeners = new Set<() => void>();
  readonly #abandonListeners = new Set<(error: TransferError) => void>();
  #abandonedBy: TransferError | null = null;
  #isEnding = false;
  #hasHeaders = false;
  #keepAlive: KeepAlive | null = null;
  #lastRun: SentRun | null = null;
  #movedBytes = 0;
  #postedBytes = 0;
  /** Writes that were handed to the stream, and that the peer has not taken. */
  #outstanding = 0;

  constructor(
    call: ServerWritableStream<Request, Response> | ServerDuplexStream<Request, Response>,
    zeroCopy: boolean,
    stallTimeoutMs: number,
  ) {
    this.#call = call;
    this.#zeroCopy = zeroCopy;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#framing = (call as unknown as { call: FramingCall<Response> }).call;
    this.#stream = this.#framing.stream;
    this.#clock = new StallClock(this, stallTimeoutMs).unref();
    this.onClose(() => this.#clock.close());
    this.#stream.once('close', () => {
      for (const listener of this.#closeListeners) listener();
    });
    // A closed stream forgets its session, which is when it is needed.
    this.#session = this.#stream.session as ServerHttp2Session | undefined;
    if (this.#session) void rememberEnd(this.#session);
  }

  /** Of a call with a single request. */
  get request(): Request {
    return (this.#call as ServerWritableStream<Request, Response>).request;
  }

  /** Sends `message` whenever nothing was sent for `silenceMs` and nothing waits for the peer; 0: never. The first call counts. */
  keepAlive(silenceMs: number, message: Response): void {
    if (silenceMs === 0 || this.#keepAlive !== null || this.isClosed) return;
    const keepAlive = new KeepAlive(silenceMs, {
      sent: () => this.#movedBytes,
      maySpeak: () => this.#outstanding === 0 && !this.#isEnding,
      speak: () => this.post(message),
    });
    this.#keepAlive = keepAlive;
    this.onClose(() => keepAlive.close());
  }

  /** Bytes that the peer has taken, as far as its whole writes tell. */
  get movedBytes(): number {
    return this.#movedBytes;
  }

  /** Of messages that were posted, and that the peer has not taken. */
  get postedBytes(): number {
    return this.#postedBytes;
  }

  /** Nothing waits for the peer. */
  get isHeldUp(): boolean {
    return this.#outstanding === 0 && !this.#isEnding;
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

  /** Sends one message; resolves when the peer has taken it, or the call has ended. Throws why it was abandoned. */
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
        over();
        resolve();
      };
      this.onAbandon(failed);
      if (this.#abandonedBy !== null) return;
      this.onClose(sent);
      this.#writeMessage(message, sent);
    });
  }

  #writeMessage(message: Response, taken: () => void): Uint8Array {
    const bytes = this.#framing.serializeMessage(message);
    this.#write(bytes, taken);
    return bytes;
  }

  /** Sends one message, behind all that was written, and waits for nothing. Returns its bytes, with its frame. */
  post(message: Response): number {
    const { length } = this.#writeMessage(message, () => {
      this.#postedBytes -= length;
      this.onPosted();
    });
    this.#postedBytes += length;
    return length;
  }

  /**
   * Sends a run of frames, behind all that was written. The bytes must not change until `done`, which may never
   * be called when the call ends before; see `untouched`.
   */
  write(run: Uint8Array, done: () => void): SentRun {
    let taken!: () => void;
    const sent = {
      taken: new Promise<void>((resolve) => {
        taken = resolve;
      }),
    };
    this.#lastRun = sent;
    const bytes = this.#zeroCopy ? run : Buffer.from(run); // copy: shared memory does not arrive here
    this.#write(bytes, () => {
      taken();
      done();
    });
    return sent;
  }

  #write(bytes: Uint8Array, taken: () => void): void {
    // Behind its status a stream takes nothing; the attempt would destroy it, status and all.
    if (this.isClosed || this.#stream.writableEnded) return;
    if (!this.#hasHeaders) this.#sendHeaders();
    this.#outstanding += 1;
    this.#stream.write(bytes, (error?: Error | null) => {
      // Node 26 also calls this, without an error, when the stream is destroyed under the write.
      if (error || this.#stream.destroyed) return;
      this.#outstanding -= 1;
      this.#movedBytes += bytes.length;
      taken();
    });
  }

  #sendHeaders(): void {
    this.#hasHeaders = true;
    this.#call.sendMetadata(new Metadata());
  }

  /** Resolves when nothing touches the bytes of `run`, by default the last one, any more. */
  untouched(run: SentRun | null = this.#lastRun): Promise<void> {
    if (run === null) return Promise.resolve();
    // Reset is not enough: until the stream is destroyed, its DATA still passes a PING.
    const gone = this.#stream.destroyed
      ? Promise.resolve()
      : new Promise<void>((resolve) => this.#closeListeners.add(resolve));
    return Promise.race([run.taken, gone.then(() => drained(this.#session))]);
  }

  /** See `Outlet.pingBarrier`: a PING queues behind the DATA that was written. */
  pingBarrier(echoed: () => void): boolean {
    return !this.isClosed && pingBarrier(this.#session, echoed);
  }

  /** Ends the call with OK. */
  end(): void {
    this.#clock.close();
    this.#isEnding = true;
    this.#call.end();
  }

  /** Ends the call with an error status, behind what is still queued. */
  fail(status: StatusObject): void {
    this.#clock.close();
    this.#isEnding = true;
    this.#call.emit('error', status);
  }

  /** Ends the call at once, whatever is queued; the peer sees RST_STREAM. */
  reset(): void {
    if (!this.isClosed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }
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
