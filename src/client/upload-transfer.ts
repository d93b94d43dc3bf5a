/**
 * One upload, from the first byte to the file: begins or resumes it on the
 * server, has its parts sent, and finishes it. Bytes of two versions of a
 * source never meet: one that changed means starting over, and so does an
 * upload that the server has lost.
 */
import { Buffer } from 'node:buffer';
import { type ErrorCode, TransferError } from '../base/errors.ts';
import { crc32 } from '../wire/crc32.ts';
import type { Expected, FileInfo, Part, StartUploadRequest } from '../wire/messages.ts';
import { cancelledBy } from './channel.ts';
import { ContentCrc } from './content-crc.ts';
import { DurableWatch } from './durable-watch.ts';
import {
  BYTES_PER_CONNECTION,
  DEFAULT_CONNECTIONS,
  MAX_RESTARTS,
  PREFIX_READ_BYTES,
  SAFE_CHUNK_BYTES,
  SMALL_UPLOAD_BYTES,
} from './limits.ts';
import type { ResolvedOptions } from './options.ts';
import { RetryBudget } from './retry.ts';
import { UploadAttempt } from './upload-attempt.ts';
import { UploadCalls } from './upload-calls.ts';
import type { UploadChannels } from './upload-channels.ts';
import { UploadCompression } from './upload-compression.ts';
import { type LaneContext, UploadLane } from './upload-lane.ts';
import type { UploadRequest } from './upload-options.ts';
import { missingRanges, partBytesFor, UploadParts } from './upload-parts.ts';
import type { UploadReporter } from './upload-progress.ts';
import { isRecordOf, type UploadRecord, type UploadRecords } from './upload-record.ts';
import type { OpenSource } from './upload-source.ts';
import { EMPTY_STATE, type UploadState } from './upload-state.ts';
import { delay } from './wait.ts';

export interface UploadContext {
  readonly channels: UploadChannels;
  readonly options: ResolvedOptions;
  readonly request: UploadRequest;
  readonly source: OpenSource;
  /** Undefined for what no later process can resume. */
  readonly records: UploadRecords | undefined;
  readonly progress: UploadReporter;
  readonly signal: AbortSignal | undefined;
}

/** An upload that the server knows. */
interface Begun {
  readonly uploadId: string;
  readonly maxChunkBytes: number;
  readonly acceptsGzip: boolean;
  readonly state: UploadState;
}

/** Failures after which the same upload could not get any further: nothing of it is kept. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set([
  'ALREADY_EXISTS',
  'CONTENT_MISMATCH',
  'FILE_CHANGED',
  'INVALID_ARGUMENT',
  'INVALID_NAME',
  'NOT_A_FILE',
  'READ_ONLY',
  'TOO_LARGE',
  'UPLOAD_NOT_FOUND',
  'VERSION_MISMATCH',
]);

export class UploadTransfer {
  readonly #context: UploadContext;
  readonly #calls: UploadCalls;
  readonly #contentCrc: ContentCrc | undefined;
  /** Aborted by the caller's signal or a throwing listener; the reason is the error. */
  readonly #stop = new AbortController();
  /** Of the upload that is under way; empty before one has begun. */
  #uploadId = '';
  /** A later process will find the upload. */
  #isKept = false;

  constructor(context: UploadContext) {
    const { channels, options, progress, request } = context;
    this.#context = context;
    this.#contentCrc = options.verify ? new ContentCrc() : undefined;
    const { signal } = this.#stop;
    this.#calls = new UploadCalls({ name: request.name, channels, options, progress, signal });
  }

  /** CRC-32 of the whole; undefined when it is not computed. Only after `run`. */
  get crc32(): number | undefined {
    return this.#contentCrc?.whole;
  }

  /**
   * Resolves with what the file is on the server. Rejects with a TransferError
   * after the upload was kept for a later process, or discarded. Closes the source.
   */
  async run(): Promise<FileInfo> {
    const { progress, records, signal, source } = this.#context;
    const onAbort = () => this.#stop.abort(cancelledBy(signal as AbortSignal));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
    progress.onThrown = (error) => this.#stop.abort(error);
    try {
      const file = await this.#untilDone();
      await records?.remove(this.#uploadId);
      await source.close();
      return file;
    } catch (reason) {
      const error = TransferError.from(reason);
      await source.close(error);
      await this.#giveUp(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      progress.close();
    }
  }

  async #untilDone(): Promise<FileInfo> {
    for (;;) {
      const { signal } = this.#stop;
      if (signal.aborted) throw cancelledBy(signal);
      try {
        return await this.#uploadOnce();
      } catch (reason) {
        await this.#startOver(TransferError.from(reason));
      }
    }
  }

  async #uploadOnce(): Promise<FileInfo> {
    const { progress, request, source } = this.#context;
    const { size } = source;
    progress.sizeBytes = size ?? request.size;
    if (size !== undefined && size <= SMALL_UPLOAD_BYTES) return await this.#sendSmall(size);
    let begun = await this.#begin();
    const budget = new RetryBudget(this.#context.options.retry);
    for (;;) {
      if (begun.state.file !== undefined) return begun.state.file;
      await this.#sendMissing(begun);
      try {
        return await this.#finish(begun.uploadId);
      } catch (reason) {
        const state = await this.#lacking(TransferError.from(reason), begun, budget);
        begun = { ...begun, state };
      }
    }
  }

  /**
   * Everything in one call, and with a file to be replaced that call also begins the upload. Where
   * nothing may be replaced it does not: after a lost answer nobody could tell our file from another's.
   */
  async #sendSmall(size: number): Promise<FileInfo> {
    const { channels, options, progress, request } = this.#context;
    const budget = new RetryBudget(options.retry);
    for (;;) {
      if (this.#uploadId === '' && request.overwrite !== 'OVERWRITE_ALWAYS') {
        this.#uploadId = (await this.#calls.start(this.#startRequest(size))).uploadId;
      }
      progress.attempts += 1;
      progress.enter('sending');
      const attempt = this.#smallAttempt(size);
      try {
        const { response } = await attempt.run();
        this.#uploadId = response.uploadId;
        return response.file ?? this.#calls.nothingSaid();
      } catch (reason) {
        this.#uploadId ||= attempt.startedUploadId;
        const error = TransferError.from(reason);
        const waitMs = endsAttempts(error) ? undefined : budget.spend(error, channels.hasConnected);
        if (waitMs === undefined || this.#stop.signal.aborted) throw error;
        await this.#pause(error, waitMs);
      }
      if (this.#uploadId === '') continue;
      const { file } = await this.#calls.sync(this.#uploadId, size);
      if (file !== undefined) return file;
    }
  }

  #smallAttempt(size: number): UploadAttempt {
    const { channels, options, progress, source } = this.#context;
    const part = { start: 0, end: size, sentEnd: 0 };
    progress.sentBytes = () => part.sentEnd;
    return new UploadAttempt({
      channel: channels.at(0),
      options,
      source,
      contentCrc: this.#contentCrc,
      compression: undefined,
      part,
      chunkBytes: Math.min(options.chunkBytes, SAFE_CHUNK_BYTES),
      opening: this.#uploadId === '' ? { start: this.#startRequest(size) } : { uploadId: this.#uploadId },
      finishing: async () => {
        await source.checkUnchanged();
        return { finish: true, expected: this.#expected(size) };
      },
      signal: this.#stop.signal,
    });
  }

  /** The upload of an earlier run, or a new one. */
  async #begin(): Promise<Begun> {
    const { options, records, request, source } = this.#context;
    const { identity } = source;
    const record = identity === undefined ? undefined : await records?.read();
    if (record === undefined || identity === undefined) return await this.#start();
    if (isRecordOf(record, identity)) return (await this.#resume(record)) ?? (await this.#start());
    options.logger.info({ name: request.name }, 'the source changed since the last run; starting over');
    await this.#calls.abort(record.uploadId);
    return await this.#start();
  }

  async #start(): Promise<Begun> {
    const { request, source } = this.#context;
    const size = source.size ?? request.size;
    const { acceptedCodecs, expiresMs, maxChunkSize, uploadId } = await this.#calls.start(
      this.#startRequest(size),
    );
    if (uploadId === '') throw new TransferError('PROTOCOL_ERROR', 'the server gave the upload no id');
    const acceptsGzip = acceptedCodecs.includes('CODEC_GZIP');
    const maxChunkBytes = maxChunkSize > 0 ? maxChunkSize : SAFE_CHUNK_BYTES;
    await this.#keep({ uploadId, maxChunkBytes, acceptsGzip, expiresMs });
    return { uploadId, maxChunkBytes, acceptsGzip, state: EMPTY_STATE };
  }

  /** Undefined when the server has nothing that could be resumed. */
  async #resume(record: UploadRecord): Promise<Begun | undefined> {
    const { options, progress, request, source } = this.#context;
    const { acceptsGzip, maxChunkBytes, uploadId } = record;
    let state: UploadState;
    try {
      state = await this.#calls.sync(uploadId, source.size);
    } catch (reason) {
      if (!isGone(TransferError.from(reason))) throw reason;
      options.logger.info({ name: request.name }, 'the server no longer has the last upload; starting over');
      return undefined;
    }
    // Finished, and the run before died of it: true only as long as nobody else wrote the file since.
    if (state.file !== undefined && (await this.#calls.stat())?.version !== state.file.version)
      return undefined;
    progress.resumedBytes = state.durableBytes;
    await this.#keep({ uploadId, maxChunkBytes, acceptsGzip, expiresMs: state.expiresMs });
    return { uploadId, maxChunkBytes, acceptsGzip, state };
  }

  async #keep(upload: Omit<UploadRecord, 'source'>): Promise<void> {
    const { records, source } = this.#context;
    this.#uploadId = upload.uploadId;
    if (records === undefined || source.identity === undefined) return;
    this.#isKept = await records.write({ ...upload, source: source.identity });
  }

  /** Sends what the server does not have, over as many connections as that is worth. */
  async #sendMissing({ acceptsGzip, maxChunkBytes, state, uploadId }: Begun): Promise<void> {
    const { channels, options, progress, request, source } = this.#context;
    const { size } = source;
    const missing = missingRanges(state.durable, 0, size ?? Number.POSITIVE_INFINITY);
    const connections = this.#connectionsFor(missing);
    const parts = new UploadParts(missing, partBytesFor(bytesOf(missing), connections));
    progress.sentBytes = () => (size === undefined ? parts.sentEnd : size - parts.remainingBytes);
    this.#note(state);
    const stop = new AbortController();
    const onAbort = () => stop.abort(this.#stop.signal.reason);
    if (this.#stop.signal.aborted) onAbort();
    this.#stop.signal.addEventListener('abort', onAbort);
    const compresses = acceptsGzip && request.compression !== 'never';
    const shared: LaneContext = {
      name: request.name,
      uploadId,
      channels,
      options,
      source,
      contentCrc: this.#contentCrc,
      compression: compresses ? new UploadCompression(request.compression, request.name) : undefined,
      parts,
      calls: this.#calls,
      progress,
      chunkBytes: Math.min(options.chunkBytes, maxChunkBytes),
      signal: stop.signal,
      onState: (now) => this.#note(now),
    };
    const watch = new DurableWatch({ ...shared, uploadId });
    try {
      await runLanes(shared, connections, stop);
    } finally {
      watch.close();
      this.#stop.signal.removeEventListener('abort', onAbort);
    }
  }

  #connectionsFor(missing: readonly Part[]): number {
    const { request, source } = this.#context;
    if (!source.isSeekable) return 1;
    if (request.connections !== undefined) return request.connections;
    const worthwhile = Math.floor(bytesOf(missing) / BYTES_PER_CONNECTION);
    return Math.min(DEFAULT_CONNECTIONS, Math.max(1, worthwhile));
  }

  /** The server has said what is durable. */
  #note({ committedSize, durableBytes }: UploadState): void {
    const { progress, source } = this.#context;
    progress.durableBytes = Math.max(progress.durableBytes, durableBytes);
    source.release(committedSize);
  }

  async #finish(uploadId: string): Promise<FileInfo> {
    const { progress, request, source } = this.#context;
    const size = source.size as number;
    progress.sizeBytes = size;
    if (request.size !== undefined && request.size !== size) {
      throw new TransferError('CONTENT_MISMATCH', `the source has ${size} bytes and not ${request.size}`);
    }
    await this.#readGaps(size);
    await source.checkUnchanged();
    progress.enter('finishing');
    return await this.#calls.finish(uploadId, this.#expected(size));
  }

  /** Checksums what an earlier run had sent, so that the whole can be checked. */
  async #readGaps(size: number): Promise<void> {
    const { progress, source } = this.#context;
    const contentCrc = this.#contentCrc;
    let gap = contentCrc?.gap(size);
    if (contentCrc === undefined || gap === undefined) return;
    progress.enter('checking');
    const buffer = Buffer.allocUnsafeSlow(PREFIX_READ_BYTES);
    for (; gap !== undefined; gap = contentCrc.gap(size)) {
      if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
      const bytes = await source.read(buffer.subarray(0, gap.end - gap.start), gap.start);
      if (typeof bytes !== 'number') throw new Error('a source of known size ended before it');
      contentCrc.note(gap.start, bytes, crc32(buffer.subarray(0, bytes)));
    }
  }

  /** What the server lacks after it refused to finish; throws the error when it lacks nothing. */
  async #lacking(error: TransferError, begun: Begun, budget: RetryBudget): Promise<UploadState> {
    const { channels, source } = this.#context;
    if (error.code !== 'CONTENT_MISMATCH' && error.code !== 'GAP') throw error;
    const state = await this.#calls.sync(begun.uploadId, source.size);
    const isWhole = missingRanges(state.durable, 0, source.size as number).length === 0;
    const lost = new TransferError('WRITE_FAILED', error.message, { cause: error });
    const waitMs = isWhole ? undefined : budget.spend(lost, channels.hasConnected);
    if (waitMs === undefined) throw error;
    await this.#pause(error, waitMs);
    return state;
  }

  async #pause(error: TransferError, waitMs: number): Promise<void> {
    const { options, progress, request } = this.#context;
    const fields = { name: request.name, code: error.code, reason: error.message, waitMs };
    options.logger.info(fields, 'upload interrupted; resuming');
    progress.enter('waiting');
    await delay(waitMs, this.#stop.signal);
  }

  /** Returns when the upload may begin again; throws the error when it may not. */
  async #startOver(error: TransferError): Promise<void> {
    const { options, progress, request, source } = this.#context;
    if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
    const why = this.#reasonToStartOver(error);
    if (why === undefined || progress.restarts >= MAX_RESTARTS || !(await source.reopen())) throw error;
    options.logger.warn({ name: request.name, reason: error.message }, `${why}; starting over`);
    if (this.#uploadId !== '' && !isGone(error)) await this.#calls.abort(this.#uploadId);
    this.#uploadId = '';
    this.#isKept = false;
    this.#contentCrc?.clear();
    progress.restarts += 1;
    progress.resumedBytes = 0;
    progress.durableBytes = 0;
    progress.sentBytes = () => 0;
    await delay(options.retry.initialBackoffMs, this.#stop.signal);
  }

  #reasonToStartOver(error: TransferError): string | undefined {
    const { progress, request } = this.#context;
    if (error.code === 'FILE_CHANGED') return 'the source changed';
    if (isGone(error) && this.#uploadId !== '') return 'the server no longer has the upload';
    // Once: with the caller's own checksum it may be the source that is wrong.
    const mayBeChance = progress.restarts === 0 && request.sha256.byteLength === 0;
    if (error.code === 'CONTENT_MISMATCH' && mayBeChance && this.#uploadId !== '')
      return 'the server has other bytes than were sent';
    return undefined;
  }

  /** The upload has failed: leaves it to a later process, or discards it. */
  async #giveUp(error: TransferError): Promise<void> {
    const { records } = this.#context;
    // Taken over: it is another process's now.
    if (this.#uploadId === '' || error.code === 'TAKEN_OVER') return;
    if (this.#isKept && !HOPELESS.has(error.code)) return;
    await this.#calls.abort(this.#uploadId);
    await records?.remove(this.#uploadId);
  }

  #startRequest(size: number | undefined): StartUploadRequest {
    const { crc32: given, ifMatch, name, overwrite, sha256 } = this.#context.request;
    const expected: Expected = {
      sha256,
      ...(size === undefined ? {} : { size }),
      ...(given === undefined ? {} : { crc32: given }),
    };
    return { fileName: name, overwrite, ifMatch, expected };
  }

  /** What the whole must be. Throws CONTENT_MISMATCH when it is not what the caller expects. */
  #expected(size: number): Expected {
    const { crc32: given, sha256 } = this.#context.request;
    const found = this.#contentCrc?.whole;
    if (given !== undefined && found !== undefined && given !== found) {
      const message = `the source has the CRC-32 ${hex(found)} and not ${hex(given)}`;
      throw new TransferError('CONTENT_MISMATCH', message);
    }
    const crc = found ?? given;
    return { size, sha256, ...(crc === undefined ? {} : { crc32: crc }) };
  }
}

/** Runs the lanes until no part is left; throws what ended the first one that failed, once all have ended. */
async function runLanes(shared: LaneContext, connections: number, stop: AbortController): Promise<void> {
  // A second round, over the first connection, is for what a lane gave back when it could not connect.
  for (let count = Math.min(connections, shared.parts.count); shared.parts.count > 0; count = 1) {
    const lanes = Array.from({ length: count }, async (_, index) => {
      try {
        await new UploadLane(shared, index).run();
      } catch (reason) {
        stop.abort(TransferError.from(reason));
      }
    });
    await Promise.all(lanes);
    if (stop.signal.aborted) throw cancelledBy(stop.signal);
  }
}

function bytesOf(ranges: readonly Part[]): number {
  return ranges.reduce((sum, { end, start }) => sum + end - start, 0);
}

function isGone({ code }: TransferError): boolean {
  return code === 'UPLOAD_NOT_FOUND' || code === 'NOT_FOUND';
}

/** Another attempt would meet the same, or must not be made. */
function endsAttempts(error: TransferError): boolean {
  return isGone(error) || error.code === 'FILE_CHANGED' || error.code === 'LOCAL_IO';
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
