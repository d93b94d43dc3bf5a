/**
 * One upload, from the first byte to the file: begins or resumes it on the
 * server, has its parts sent, and finishes it. Bytes of two versions of a
 * source never meet: one that changed means starting over, and so does an
 * upload that the server has lost.
 *
 *   begin ─▶ send what is missing ─▶ check the source ─▶ finish ─▶ file
 *     ▲                ▲                                    │
 *     │                └──────── bytes are missing ─────────┤
 *     └── the source changed, the upload is gone ───────────┘
 */
import { type ErrorCode, TransferError } from '../../base/errors.ts';
import type { FileInfo } from '../../wire/messages.ts';
import { cancelledBy, delay, onCancelled } from '../connection/cancellation.ts';
import { MAX_RESTARTS, SMALL_UPLOAD_BYTES } from '../limits.ts';
import { beginUpload, isGone } from './beginning.ts';
import { UploadCalls } from './calls.ts';
import { ContentCrc } from './content-crc.ts';
import { finishUpload, lackingState } from './ending.ts';
import { type UploadContext, UploadRun } from './run.ts';
import { sendMissing } from './sending.ts';
import { uploadSmall } from './small.ts';

/** Failures after which this upload can never succeed: nothing is kept. */
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

/** From a server that takes smaller chunks or fewer codecs than the one before. */
const REFUSED_TERMS: ReadonlySet<ErrorCode> = new Set(['INVALID_ARGUMENT', 'TOO_LARGE']);

export class UploadTransfer {
  readonly #context: UploadContext;
  readonly #run: UploadRun;
  readonly #callerSignal: AbortSignal | undefined;
  /** Aborted by the caller's signal or a throwing listener; the reason is the error. */
  readonly #stop = new AbortController();

  constructor(context: UploadContext, callerSignal: AbortSignal | undefined) {
    const { channels, options, progress, request } = context;
    const { signal } = this.#stop;
    const calls = new UploadCalls({ name: request.name, channels, options, progress, signal });
    this.#context = context;
    this.#callerSignal = callerSignal;
    this.#run = new UploadRun(context, calls, options.verify ? new ContentCrc() : undefined, signal);
  }

  /** CRC-32 of the whole; undefined when it is not computed. Only after `run`. */
  get crc32(): number | undefined {
    return this.#run.contentCrc?.whole;
  }

  /**
   * Resolves with what the file is on the server. Rejects with a TransferError
   * after the upload was kept for a later process, or discarded. Closes the source.
   */
  async run(): Promise<FileInfo> {
    const { progress, records, source } = this.#context;
    const ignoreSignal = onCancelled(this.#callerSignal, (error) => this.#stop.abort(error));
    progress.onThrown = (error) => this.#stop.abort(error);
    try {
      const file = await this.#untilDone();
      progress.durableBytes = file.size;
      progress.enter('finishing');
      await records?.remove(this.#run.uploadId);
      await source.close();
      this.#logWay();
      return file;
    } catch (reason) {
      const error = TransferError.from(reason);
      await source.close(error);
      await this.#giveUp(error);
      throw error;
    } finally {
      ignoreSignal();
      progress.close();
    }
  }

  #logWay(): void {
    const { options, progress, request } = this.#context;
    const { sendWindowBytes: windowBytes, roundTripMs } = progress.link ?? {};
    const codings = progress.codings();
    if (progress.link === undefined && codings === undefined) return;
    options.logger.debug({ name: request.name, windowBytes, roundTripMs, codings }, 'sent');
    options.tracing.event('sent', { windowBytes, roundTripMs, codings: JSON.stringify(codings) });
  }

  async #untilDone(): Promise<FileInfo> {
    for (;;) {
      if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
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
    if (size !== undefined && size <= SMALL_UPLOAD_BYTES) return await uploadSmall(this.#run, size);
    let begun = await beginUpload(this.#run);
    const retry = this.#run.calls.newRetry();
    for (;;) {
      if (begun.state.file !== undefined) return begun.state.file;
      try {
        return (await sendMissing(this.#run, begun)) ?? (await finishUpload(this.#run));
      } catch (reason) {
        const state = await lackingState(this.#run, TransferError.from(reason), retry);
        begun = { ...begun, state };
      }
    }
  }

  /** Returns when the upload may begin again; throws the error when it may not. */
  async #startOver(error: TransferError): Promise<void> {
    const { channels, options, progress, request, source } = this.#context;
    if (this.#stop.signal.aborted) throw cancelledBy(this.#stop.signal);
    const why = this.#reasonToStartOver(error);
    if (why === undefined || progress.restarts >= MAX_RESTARTS || !(await source.reopen())) throw error;
    options.logger.warn({ name: request.name, reason: error.message }, `${why}; starting over`);
    options.tracing.event('restarted', { reason: error.message });
    channels.terms = undefined;
    if (this.#run.uploadId !== '' && !isGone(error)) await this.#run.calls.abort(this.#run.uploadId);
    this.#run.reset();
    progress.restarts += 1;
    progress.resumedBytes = 0;
    progress.durableBytes = 0;
    progress.sentBytes = () => 0;
    await delay(options.retry.initialBackoffMs, this.#stop.signal);
  }

  #reasonToStartOver(error: TransferError): string | undefined {
    const { progress, request } = this.#context;
    const { isOnTrust, uploadId } = this.#run;
    const hasBegun = uploadId !== '';
    if (error.code === 'FILE_CHANGED') return 'the source changed';
    if (isGone(error) && hasBegun) return 'the server no longer has the upload';
    if (isOnTrust && REFUSED_TERMS.has(error.code)) return 'the server takes other chunks than it did';
    // Retried once: if the caller gave the checksums, the source is wrong.
    const isOurs =
      request.sha256.byteLength === 0 && request.crc32 === undefined && request.size === undefined;
    const mayBeChance = error.code === 'CONTENT_MISMATCH' && isOurs && progress.restarts === 0;
    return mayBeChance && hasBegun ? 'the server has other bytes than were sent' : undefined;
  }

  /** The upload has failed: leaves it to a later process, or discards it. */
  async #giveUp(error: TransferError): Promise<void> {
    const { calls, isKept, uploadId } = this.#run;
    // An upload that was taken over belongs to another process.
    if (uploadId === '' || error.code === 'TAKEN_OVER') return;
    if (isKept && !HOPELESS.has(error.code)) return;
    await calls.abort(uploadId);
    await this.#context.records?.remove(uploadId);
  }
}
