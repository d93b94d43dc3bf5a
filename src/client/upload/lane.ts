/**
 * One connection of an upload: takes parts and sends each until the server has
 * it. After a failure it asks what the server has, and returns the missing rest
 * of the part to the pool.
 */
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import { missingRanges } from '../../base/ranges.ts';
import type { Expected, FileInfo, UploadFileRequest } from '../../wire/messages.ts';
import type { ChunkCoder } from '../compression/chunk-coder.ts';
import type { UploadCompression } from '../compression/compression.ts';
import { cancelledBy } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import type { Retry } from '../connection/retry.ts';
import type { Lane } from '../lanes/lanes.ts';
import { MIN_CHUNK_BYTES } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import { UploadAttempt } from './attempt.ts';
import { isGone } from './beginning.ts';
import type { UploadCalls } from './calls.ts';
import type { UploadChannels } from './channels.ts';
import type { ContentCrc } from './content-crc.ts';
import type { UploadOpening } from './opening.ts';
import type { SendingPart, UploadParts } from './parts.ts';
import type { UploadReporter } from './progress.ts';
import type { OpenSource } from './sources/source.ts';
import type { UploadState } from './state.ts';

/** What all lanes of an upload share. */
export interface LaneContext {
  readonly name: string;
  readonly opening: UploadOpening;
  readonly channels: UploadChannels;
  readonly options: ResolvedOptions;
  readonly source: OpenSource;
  readonly contentCrc: ContentCrc | undefined;
  readonly compression: UploadCompression;
  readonly parts: UploadParts;
  readonly calls: UploadCalls;
  readonly progress: UploadReporter;
  /** The chunk size to begin with. */
  readonly chunkBytes: number;
  /** Aborted when the upload ends; its reason is the error. */
  readonly signal: AbortSignal;
  /** One takeover may be by a dead stream of our own; see `mayBeOurs`. */
  readonly takeover: { hasBeen: boolean };
  /** As `Lanes.goAlone`. */
  goAlone(): boolean;
  readonly ending: LaneEnding;
  /** Learns what is durable, from whoever asked. */
  onState(state: UploadState): void;
}

/** The call that sends the last part may finish the upload as well. */
export interface LaneEnding {
  /** What the whole must be. All bytes were read; rejects when the source changed. */
  content(): Promise<Expected>;
  /** Set once the upload is finished. */
  file: FileInfo | undefined;
}

export class UploadLane implements Lane {
  readonly #context: LaneContext;
  readonly #index: number;
  readonly #channel: Channel;
  readonly #retry: Retry;
  /** Replaced with the connection. */
  #coder: ChunkCoder;
  /** Shrinks when chunks are too large to be taken within the stall timeout. */
  #chunkBytes: number;
  /** The most bytes durable after any earlier failure; only more is progress. */
  #seenDurableBytes: number;
  #part: SendingPart | undefined;
  #isRetired = false;
  #hasFinished = false;

  /** @param index of the connection; the first one may not be given up */
  constructor(context: LaneContext, index: number) {
    this.#context = context;
    this.#index = index;
    this.#channel = context.channels.at(index);
    this.#retry = context.calls.newRetry(context.signal);
    this.#coder = context.compression.coder();
    this.#chunkBytes = context.chunkBytes;
    this.#seenDurableBytes = context.progress.durableBytes;
  }

  /** Resolves when there is nothing left to take. Rejects with a TransferError that ends the upload. */
  async run(): Promise<void> {
    const { parts } = this.#context;
    try {
      while (!this.#isRetired) {
        this.#part = parts.take();
        if (this.#part === undefined || !(await this.#send(this.#part))) return;
      }
    } finally {
      this.#part = undefined;
      this.#coder.close();
    }
  }

  /** Sends what was read already, and takes nothing more. */
  retire(): void {
    this.#isRetired = true;
    if (this.#part !== undefined) this.#context.parts.cut(this.#part);
  }

  /** False when this connection cannot be had and the others have to do. */
  async #send(part: SendingPart): Promise<boolean> {
    const { opening, parts, progress, signal, source } = this.#context;
    if (source.isFullAt(part.start)) await this.#relieve(part.start);
    await source.readable(part.start, signal);
    if (part.start === source.size) {
      parts.settle(part);
      return true;
    }
    if (part.start < source.releasedBytes) throw forgotten(part.start, source.releasedBytes);
    progress.enter('sending');
    const attempt = new UploadAttempt({
      ...this.#context,
      finishing: () => this.#finishing(part),
      channel: this.#channel,
      coder: this.#coder,
      part,
      chunkBytes: this.#chunkBytes,
      opening: opening.message,
    });
    try {
      const { isIdle, response } = await attempt.run();
      opening.confirm(response.uploadId);
      progress.link = attempt.link;
      this.#context.ending.file = response.file ?? undefined;
      source.release(response.committedSize);
      parts.settle(part, isIdle ? [{ start: part.movedEnd, end: part.end }] : []);
      return true;
    } catch (reason) {
      opening.confirm(attempt.startedUploadId);
      return await this.#recover(TransferError.from(reason), part, attempt);
    }
  }

  /** The source waits for bytes before `offset` to become durable. Throws where the server keeps as many for later. */
  async #relieve(offset: number): Promise<void> {
    const { calls, opening, source } = this.#context;
    this.#context.onState(await calls.sync(opening.uploadId, source.size));
    if (!source.isFullAt(offset)) return;
    const message =
      'the server makes bytes durable in parts, of which one is more than replayBytes; raise replayBytes to 64 MiB';
    throw new TransferError('INVALID_ARGUMENT', message);
  }

  /** The server has everything else, and the checksum of the whole will be known behind it. */
  #isLast({ start, end }: SendingPart): boolean {
    const { contentCrc, parts, source } = this.#context;
    const reachesEnd = end >= (source.size ?? Number.POSITIVE_INFINITY);
    return reachesEnd && parts.count === 1 && contentCrc?.gap(start) === undefined;
  }

  async #finishing(part: SendingPart): Promise<Partial<UploadFileRequest> | undefined> {
    if (!this.#isLast(part)) return undefined;
    const expected = await this.#context.ending.content();
    this.#hasFinished = true;
    return { finish: true, expected };
  }

  /** Returns when the next attempt may start; throws when there should be none. */
  async #recover(error: TransferError, part: SendingPart, attempt: UploadAttempt): Promise<boolean> {
    const { calls, channels, ending, name, opening, options, parts, progress, signal, source } =
      this.#context;
    // Another server may answer the next attempt.
    channels.terms = undefined;
    if (signal.aborted) throw cancelledBy(signal);
    // A failed call that asked for the finish may have finished the upload, even after the next call began.
    if (this.#hasFinished && isGone(error) && (await this.#isFinished(part))) return true;
    if (ENDING.has(error.code)) throw error;
    if (!this.#goesOn(error)) {
      parts.settle(part, [{ start: part.start, end: part.end }]);
      options.logger.debug({ name, reason: error.message }, 'continuing without one of the connections');
      return false;
    }
    progress.attempts += 1;
    const isOurs = (error.code === 'STALLED' || error.code === 'ABORTED') && attempt.hasStarved;
    if (isOurs) options.logger.debug({ name }, 'the stream paused; the server ended the call');
    else await this.#retry.pause(error, { offset: part.movedEnd });
    await opening.ensure();
    const state = await calls.sync(opening.uploadId, source.size);
    this.#context.onState(state);
    this.#coder.close();
    this.#coder = this.#context.compression.coder();
    this.#chunkBytes = Math.min(this.#chunkBytes, state.maxChunkBytes);
    const hasProgress = this.#noteProgress(state, error, attempt);
    if (isOurs && !hasProgress) await this.#retry.pause(error, { offset: part.movedEnd });
    ending.file = state.file;
    parts.settle(part, state.file ? [] : missingRanges(state.durable, part.start, part.end));
    return true;
  }

  /** False where the other connections have to do. Throws `error` where another process has the upload. */
  #goesOn(error: TransferError): boolean {
    if (error.code === 'TAKEN_OVER') {
      // Behind one address there may be several servers, of which one at a time has the upload.
      const isByOurs = this.#context.goAlone();
      if (this.#index > 0) return false;
      if (!isByOurs && !this.#mayBeOurs()) throw error;
    }
    return this.#index === 0 || error.code !== 'UNAVAILABLE' || this.#channel.hasConnected;
  }

  async #isFinished(part: SendingPart): Promise<boolean> {
    const { calls, ending, opening, parts, source } = this.#context;
    ending.file = (await calls.sync(opening.uploadId, source.size)).file;
    if (ending.file === undefined) return false;
    parts.settle(part);
    return true;
  }

  /**
   * Parts of one process never meet. But after an interruption, bytes of a dead
   * connection may still have been on their way: once, that is no other
   * process. More often it is one, and both going on would never end.
   */
  #mayBeOurs(): boolean {
    const { progress, takeover } = this.#context;
    const isFirst = !takeover.hasBeen;
    takeover.hasBeen = true;
    return isFirst && (progress.attempts > 1 || progress.resumedBytes > 0);
  }

  /** True when more is durable than after any failure before. */
  #noteProgress(state: UploadState, error: TransferError, attempt: UploadAttempt): boolean {
    if (state.durableBytes > this.#seenDurableBytes) {
      this.#seenDurableBytes = state.durableBytes;
      this.#retry.refill();
      return true;
    }
    if (error.code === 'STALLED' && attempt.deliveredBytes < this.#chunkBytes) {
      // On a very slow link one whole chunk may take longer than the stall timeout.
      this.#chunkBytes = Math.max(MIN_CHUNK_BYTES, Math.floor(this.#chunkBytes / 4));
    }
    return false;
  }
}

function forgotten(offset: number, releasedBytes: number): TransferError {
  return new TransferError(
    'PROTOCOL_ERROR',
    `the server asks for bytes from ${offset} on; up to ${releasedBytes} it had said they are durable`,
  );
}

/** Errors that are no interruption of the part, but the end of this upload, if not of the whole transfer. */
const ENDING: ReadonlySet<ErrorCode> = new Set([
  'UPLOAD_NOT_FOUND',
  'NOT_FOUND',
  // Of the source.
  'FILE_CHANGED',
  'LOCAL_IO',
]);
