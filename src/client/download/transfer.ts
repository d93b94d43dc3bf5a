/**
 * A transfer: attempts until the range is complete, each from the last good
 * byte and pinned to one version. Bytes of two versions never meet: a changed
 * file means starting over where the sink can take bytes back, and an error
 * where it cannot.
 */
import { TransferError } from '../../base/errors.ts';
import type { StatFileRequest, StatFileResponse } from '../../wire/messages.ts';
import { isStated } from '../../wire/status.ts';
import { cancelledBy, delay, onCancelled } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import { Retry } from '../connection/retry.ts';
import { MAX_RESTARTS, MIN_CHUNK_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { Attempt } from './attempt.ts';
import type { Mark, Position } from './position.ts';
import type { DownloadReporter } from './progress.ts';
import type { Sink, SinkListener } from './sinks/sink.ts';

export interface TransferContext {
  readonly channel: Channel;
  readonly options: ResolvedOptions;
  readonly position: Position;
  readonly sink: Sink;
  readonly progress: DownloadReporter;
  readonly signal: AbortSignal | undefined;
}

export class Transfer implements SinkListener {
  readonly #context: TransferContext;
  /** Aborted by the caller's signal, a failing sink or a throwing listener; the reason is the error. */
  readonly #stop = new AbortController();
  readonly #retry: Retry;
  #attempt: Attempt | undefined;
  /** Asked for with the next attempt; shrinks when chunks are too large to arrive within the stall timeout. */
  #chunkBytes: number;
  /** The furthest offset of this version so far; only what lies beyond it is progress. */
  #furthestOffset: number;
  /** Versions that the transfer was pinned to before it started over. */
  readonly #left = new Set<string>();
  /** One of those came back: no file changes in this way, but servers with copies of their own answer in turn. */
  #isInTurns = false;
  #onSinkDrained: (() => void) | undefined;

  constructor(context: TransferContext) {
    this.#context = context;
    this.#retry = new Retry({
      retry: context.options.retry,
      channel: context.channel,
      what: 'transfer interrupted; resuming',
      name: context.position.request.name,
      signal: this.#stop.signal,
      onWait: () => context.progress.enter('waiting'),
    });
    this.#chunkBytes = context.options.chunkBytes;
    this.#furthestOffset = context.position.offset;
  }

  /**
   * Resolves when the sink has finished with all bytes of the range. Rejects
   * with a TransferError after the sink has kept what can be resumed.
   */
  async run(): Promise<void> {
    const { sink, signal, progress, position } = this.#context;
    const ignoreSignal = onCancelled(signal, (error) => this.#stop.abort(error));
    sink.listener = this;
    progress.onThrown = (error) => this.#stop.abort(error);
    if (progress.thrown !== undefined) this.#stop.abort(progress.thrown);
    try {
      while (!(await this.#attemptOnce()));
      progress.enter('finishing');
      await sink.finish(position.receivedBytes);
    } catch (reason) {
      const error = TransferError.from(reason);
      await sink.abandon(error);
      throw error;
    } finally {
      ignoreSignal();
      sink.listener = undefined;
      progress.close();
    }
  }

  onDrained(): void {
    this.#onSinkDrained?.();
    this.#attempt?.resumeIfPossible();
  }

  onFailed(error: TransferError): void {
    this.#stop.abort(error);
  }

  /** True when the range is complete; false when another attempt should follow. */
  async #attemptOnce(): Promise<boolean> {
    await this.#sinkTakesBytes();
    const { progress, position } = this.#context;
    const begun = position.mark();
    progress.attempts += 1;
    progress.enter('receiving');
    this.#attempt = new Attempt({
      ...this.#context,
      chunkBytes: this.#chunkBytes,
      signal: this.#stop.signal,
    });
    try {
      await this.#attempt.run();
      this.#logLink(this.#attempt);
      return true;
    } catch (reason) {
      await this.#recover(TransferError.from(reason), begun, this.#attempt);
      return false;
    } finally {
      this.#attempt = undefined;
    }
  }

  #logLink({ link }: Attempt): void {
    const { options, position } = this.#context;
    if (link === undefined) return;
    const { receiveWindowBytes: windowBytes, roundTripMs } = link;
    options.tracing.event('received', { windowBytes, roundTripMs });
    options.logger.debug({ name: position.request.name, windowBytes, roundTripMs }, 'received');
  }

  /** Waits for the sink first: a call whose chunks nobody takes would stall. */
  async #sinkTakesBytes(): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) throw cancelledBy(signal);
    if (!this.#context.sink.isFull) return;
    await new Promise<void>((resolve, reject) => {
      const ignoreSignal = onCancelled(signal, reject);
      this.#onSinkDrained = () => {
        ignoreSignal();
        this.#onSinkDrained = undefined;
        resolve();
      };
    });
  }

  /** Returns when the next attempt may start; throws when there should be none. */
  async #recover(failure: TransferError, begun: Mark, attempt: Attempt): Promise<void> {
    if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
    const error = isGuess(failure)
      ? new TransferError('ABORTED', failure.message, { cause: failure.cause })
      : failure;
    const change = await this.#fileChange(failure, begun);
    if (change !== undefined) return await this.#startOver(change);
    this.#noteProgress(error);
    if (attempt.isSuspect) await this.#takeBack(begun, error);
    await this.#retry.pause(error, { offset: this.#context.position.offset });
  }

  /** The error when it means that the file is not the one that was begun with. */
  async #fileChange(error: TransferError, begun: Mark): Promise<TransferError | undefined> {
    if (isGuess(error)) return await this.#versionChange(error);
    if (error.code === 'VERSION_MISMATCH' || error.code === 'FILE_CHANGED') return error;
    const hasShrunk = error.code === 'OUT_OF_RANGE' && begun.offset > this.#context.position.request.start;
    return hasShrunk ? new TransferError('FILE_CHANGED', error.message, { cause: error }) : undefined;
  }

  /** The server gave no reason: the file has changed only if its version has. */
  async #versionChange(error: TransferError): Promise<TransferError | undefined> {
    const { channel, position } = this.#context;
    if (position.ifMatch === '') return undefined;
    const request: StatFileRequest = { fileName: position.request.name, digest: false };
    try {
      const { file } = await channel.unary<StatFileRequest, StatFileResponse>(
        'StatFile',
        request,
        this.#stop.signal,
      );
      if (file === null || file.version === position.ifMatch) return undefined;
      return new TransferError('VERSION_MISMATCH', error.message, {
        cause: error.cause,
        version: file.version,
      });
    } catch {
      // The next attempt is pinned to the version anyway.
      return undefined;
    }
  }

  #noteProgress(error: TransferError): void {
    const { offset } = this.#context.position;
    if (offset > this.#furthestOffset) {
      this.#furthestOffset = offset;
      this.#retry.refill();
    } else if (error.code === 'STALLED') {
      // On a very slow link one whole chunk may take longer than the stall timeout.
      this.#chunkBytes = Math.max(MIN_CHUNK_BYTES, Math.floor(this.#chunkBytes / 4));
    }
  }

  async #takeBack(begun: Mark, error: TransferError): Promise<void> {
    const { sink, position } = this.#context;
    if (!sink.isRewindable) throw error;
    position.rewind(begun);
    await sink.rewind(position.receivedBytes, position.crc32);
  }

  /** Begins again with the new version of the file. */
  async #startOver(error: TransferError): Promise<void> {
    const { sink, position, progress, options } = this.#context;
    const isPinnedByCaller = position.request.ifMatch !== '' && error.code === 'VERSION_MISMATCH';
    const isTooLate = position.receivedBytes > 0 && !sink.isRewindable;
    const { name } = position.request;
    this.#left.add(position.ifMatch);
    if (error.version !== undefined && this.#left.has(error.version) && error.version !== position.ifMatch)
      this.#isInTurns = true;
    if (isPinnedByCaller || isTooLate) throw error;
    if (progress.restarts >= MAX_RESTARTS) throw this.#isInTurns ? noSharedVersion(name, error) : error;
    const fields = { name, discardedBytes: position.receivedBytes, version: error.version };
    const why = this.#isInTurns ? 'another server answered, with another version' : 'the file changed';
    options.logger.warn(fields, `${why}; starting over`);
    options.tracing.event('restarted', { reason: error.message });
    progress.restarts += 1;
    progress.resumedBytes = 0;
    position.restart();
    this.#furthestOffset = position.offset;
    if (sink.isRewindable) await sink.rewind(0, 0);
    await delay(options.retry.initialBackoffMs, this.#stop.signal);
  }
}

function noSharedVersion(name: string, cause: TransferError): TransferError {
  const message = `${name} makes no headway: servers that answer in turn give it different versions, and each time it starts over; have them share versions by the setting version.by, or name one of them`;
  return new TransferError('VERSION_MISMATCH', message, { cause, version: cause.version });
}

/** FAILED_PRECONDITION without a sluice code may mean more than another version. */
function isGuess(error: TransferError): boolean {
  return error.code === 'VERSION_MISMATCH' && !isStated(error);
}
