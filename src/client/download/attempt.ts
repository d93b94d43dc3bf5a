/**
 * One StreamFile call: from a position to the end of the range. It succeeds only
 * when the final status is OK and length and checksums agree; the end of the
 * stream alone proves nothing.
 */
import { type ClientReadableStream, status } from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';
import { CallLink } from '../../flow/connections/call-link.ts';
import type {
  FileInfo,
  GetFileSizeRequest,
  GetFileSizeResponse,
  StreamFileRequest,
  StreamFileResponse,
} from '../../wire/messages.ts';
import { AttemptWatch, type WatchedAttempt } from '../connection/attempt-watch.ts';
import { cancelCall, cancelledBy, onCancelled } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Position } from './position.ts';
import type { DownloadReporter } from './progress.ts';
import { type RangeListener, RangeReceiver } from './range-receiver.ts';
import type { ChunkSink } from './sinks/sink.ts';
import { streamRequest } from './stream-request.ts';

export interface AttemptContext {
  readonly channel: Channel;
  readonly options: ResolvedOptions;
  readonly position: Position;
  readonly sink: ChunkSink;
  readonly progress: DownloadReporter;
  /** The chunk size to ask for. */
  readonly chunkBytes: number;
  /** Its reason, when aborted, is the error the attempt ends with. */
  readonly signal: AbortSignal;
}

/**
 * - `opening`: the first message has not come
 * - `sizing`: the server sends no details; its size of the file is being asked for
 * - `streaming`: chunks arrive
 * - `settled`: over, well or badly; nothing is delivered any more
 */
type State = 'opening' | 'sizing' | 'streaming' | 'settled';

export class Attempt implements RangeListener, WatchedAttempt {
  /** Bytes of chunks that came off the network. */
  deliveredBytes = 0;
  readonly #context: AttemptContext;
  readonly #receiver: RangeReceiver;
  #state: State = 'opening';
  #status: status | undefined;
  /** The status is OK, and every message was taken. */
  #hasEnded = false;
  #isCutShort = false;
  #call: ClientReadableStream<StreamFileResponse> | undefined;
  #link: CallLink | undefined;
  #settle: (error?: TransferError) => void = () => {};

  constructor(context: AttemptContext) {
    this.#context = context;
    this.#receiver = new RangeReceiver({ ...context, codecs: context.progress.codecs }, this);
  }

  /** As `RangeReceiver.isSuspect`. */
  get isSuspect(): boolean {
    return this.#receiver.isSuspect;
  }

  /** The rest of the range went to another lane, so the call was ended before the server could say that all went well. */
  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /** Resolves when the rest of the range is delivered and verified. Rejects with a TransferError. */
  async run(): Promise<void> {
    const { channel, options, signal } = this.#context;
    if (signal.aborted) throw cancelledBy(signal);
    const call = channel.stream<StreamFileRequest, StreamFileResponse>(
      'StreamFile',
      streamRequest(this.#context),
    );
    this.#call = call;
    const ignoreSignal = onCancelled(signal, (error) => this.fail(error));
    const watch = new AttemptWatch(this, channel, options);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === undefined ? resolve() : reject(error));
        call.on('error', (failure) => this.fail(channel.failureOf(failure)));
        call.once('metadata', () => {
          this.#link = CallLink.of(call);
        });
        call.on('status', ({ code }) => {
          this.#status = code;
        });
        call.on('end', () => this.#onEnd());
        call.on('data', (message: StreamFileResponse) => this.#onMessage(message));
        this.resumeIfPossible();
      });
    } finally {
      watch.close();
      ignoreSignal();
      this.#receiver.close();
      // The call keeps its `error` listener, because cancelling makes it emit one more, and flows until its end.
      cancelCall(call);
      call.resume();
    }
  }

  /** The link to the server, as far as this attempt has measured it. */
  get link(): CallLink | undefined {
    return this.#link;
  }

  /** The address of the server that has answered. */
  get server(): string | undefined {
    return this.#call?.getPeer();
  }

  get isPaused(): boolean {
    return this.#mustPause();
  }

  /** Reads on unless this side holds up the call. */
  resumeIfPossible(): void {
    if (this.#call === undefined || this.#state === 'settled') return;
    if (this.#mustPause()) this.#call.pause();
    else if (this.#call.isPaused()) this.#call.resume();
  }

  /** Ends the call where all has arrived of a range that was cut. */
  endIfCut(): void {
    if (this.#isCutShort || this.#state !== 'streaming' || !this.#receiver.isCutShort) return;
    this.#isCutShort = true;
    this.#call?.pause();
    this.#receiver.finish();
  }

  /** Ends the attempt; only the first end counts. */
  fail(error: TransferError): void {
    if (this.#state === 'settled') return;
    this.#state = 'settled';
    this.#receiver.close();
    if (error.code === 'DATA_LOSS') this.#receiver.noteDataLoss();
    this.#settle(error);
  }

  onComplete(): void {
    if (this.#state === 'settled') return;
    this.#state = 'settled';
    this.#settle();
  }

  onFailed(error: TransferError): void {
    this.fail(error);
  }

  onRoom(): void {
    this.resumeIfPossible();
  }

  #mustPause(): boolean {
    const { sink } = this.#context;
    return this.#state === 'sizing' || this.#isCutShort || sink.isFull || this.#receiver.isFull;
  }

  #onMessage(message: StreamFileResponse): void {
    if (this.#state === 'settled' || this.#isCutShort) return;
    if (isKeepAlive(message)) return;
    this.deliveredBytes += message.chunk.byteLength;
    try {
      if (this.#state === 'streaming') this.#take(message);
      else if (message.file) {
        this.#pin(message.file, false);
        this.#take(message);
      } else void this.#openPlain(message);
      if (this.#mustPause()) this.#call?.pause();
    } catch (reason) {
      this.fail(TransferError.from(reason));
    }
  }

  #onEnd(): void {
    // Any other status arrives as an `error`.
    if (this.#state === 'settled' || this.#status !== status.OK) return;
    this.#hasEnded = true;
    if (this.#state === 'opening') void this.#openPlain(undefined);
    else if (this.#state === 'streaming') this.#receiver.finish();
  }

  #pin(file: FileInfo, isPlain: boolean): void {
    this.#receiver.pin(file, isPlain);
    this.#state = 'streaming';
  }

  /** A server that knows only the four basic messages: only the length can be checked, and a second call asks for it. */
  async #openPlain(first: StreamFileResponse | undefined): Promise<void> {
    this.#state = 'sizing';
    try {
      const { channel, position, signal } = this.#context;
      const { name } = position.request;
      const { size } = await channel.unary<GetFileSizeRequest, GetFileSizeResponse>(
        'GetFileSize',
        { fileName: name },
        signal,
      );
      if ((this.#state as State) === 'settled') return;
      this.#pin({ name, size, version: '', modifiedMs: 0, contentType: '' }, true);
      if (first !== undefined) this.#take(first);
      this.resumeIfPossible();
      if (this.#hasEnded) this.#receiver.finish();
    } catch (reason) {
      this.fail(TransferError.from(reason));
    }
  }

  #take(message: StreamFileResponse): void {
    this.#receiver.take(message);
    if (!this.#context.position.isPlain) this.endIfCut();
    else if (message.chunk.byteLength > 0) this.#endPlain();
  }

  /** Stops a plain server at the limit, and notices a file that grew. */
  #endPlain(): void {
    const { position } = this.#context;
    const excessBytes = this.#receiver.arrivalOffset - position.end;
    const isCut = position.end !== position.file?.size;
    if (isCut && excessBytes >= 0) {
      this.#call?.pause();
      this.#receiver.finish();
    } else if (excessBytes > 0) {
      throw new TransferError('FILE_CHANGED', `the server sent ${excessBytes} bytes more than the file has`);
    }
  }
}

/** It may come before the first message. */
function isKeepAlive({ chunk, file, summary }: StreamFileResponse): boolean {
  return chunk.byteLength === 0 && !file && !summary;
}
