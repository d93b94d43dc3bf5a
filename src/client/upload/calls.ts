/** The unary calls of one upload, each tried again within a budget of its own. All of them may be repeated safely. */
import { TransferError } from '../../base/errors.ts';
import type {
  AbortUploadRequest,
  AbortUploadResponse,
  Expected,
  FileInfo,
  FinishUploadRequest,
  FinishUploadResponse,
  GetUploadStatusRequest,
  GetUploadStatusResponse,
  StartUploadRequest,
  StartUploadResponse,
  StatFileRequest,
  StatFileResponse,
} from '../../wire/messages.ts';
import type { Channel } from '../connection/channel.ts';
import { Retry } from '../connection/retry.ts';
import { ABORT_TIMEOUT_MS, FINISH_BYTES_PER_MS } from '../limits.ts';
import type { ResolvedOptions } from '../options.ts';
import type { UploadChannels } from './channels.ts';
import type { UploadReporter } from './progress.ts';
import { type UploadState, uploadStateOf } from './state.ts';

export interface UploadCallsContext {
  readonly name: string;
  readonly channels: UploadChannels;
  readonly options: ResolvedOptions;
  readonly progress: UploadReporter;
  /** Its reason, when aborted, is the error every call but `abort` ends with. */
  readonly signal: AbortSignal;
}

export class UploadCalls {
  readonly #context: UploadCallsContext;

  constructor(context: UploadCallsContext) {
    this.#context = context;
  }

  async start(request: StartUploadRequest): Promise<StartUploadResponse> {
    return await this.#retried((channel, signal) =>
      channel.unary<StartUploadRequest, StartUploadResponse>('StartUpload', request, signal),
    );
  }

  /** Makes durable what was received, and says what that is. */
  async sync(uploadId: string, size: number | undefined): Promise<UploadState> {
    const workMs = (size ?? 0) / FINISH_BYTES_PER_MS;
    return await this.#retried(async () => await this.status(uploadId, size, true, workMs));
  }

  /** One try. */
  async status(uploadId: string, size: number | undefined, sync: boolean, workMs = 0): Promise<UploadState> {
    const { channels, name, signal } = this.#context;
    const request: GetUploadStatusRequest = { uploadId, fileName: name, sync };
    const response = await channels
      .at(0)
      .unary<GetUploadStatusRequest, GetUploadStatusResponse>('GetUploadStatus', request, signal, workMs);
    return uploadStateOf(response, size);
  }

  async finish(uploadId: string, expected: Expected): Promise<FileInfo> {
    const request: FinishUploadRequest = { uploadId, fileName: this.#context.name, expected };
    const workMs = (expected.size ?? 0) / FINISH_BYTES_PER_MS;
    const { file } = await this.#retried((channel, signal) =>
      channel.unary<FinishUploadRequest, FinishUploadResponse>('FinishUpload', request, signal, workMs),
    );
    return file ?? this.nothingSaid();
  }

  /** What is under the name now; undefined when there is nothing. */
  async stat(): Promise<FileInfo | undefined> {
    const request: StatFileRequest = { fileName: this.#context.name, digest: false };
    try {
      const { file } = await this.#retried((channel, signal) =>
        channel.unary<StatFileRequest, StatFileResponse>('StatFile', request, signal),
      );
      return file ?? undefined;
    } catch (reason) {
      if (reason instanceof TransferError && reason.code === 'NOT_FOUND') return undefined;
      throw reason;
    }
  }

  /** Discards an upload, if the server can be told; it would expire by itself. Never rejects. */
  async abort(uploadId: string): Promise<void> {
    const { channels, name, options } = this.#context;
    try {
      const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS);
      await channels
        .at(0)
        .unary<AbortUploadRequest, AbortUploadResponse>('AbortUpload', { uploadId }, signal);
    } catch (reason) {
      const { message } = TransferError.from(reason);
      options.logger.debug({ name, reason: message }, 'the upload could not be discarded; it will expire');
    }
  }

  /** For attempts of the upload that share a budget. */
  newRetry(signal = this.#context.signal): Retry {
    const { channels, name, options, progress } = this.#context;
    return new Retry({
      retry: options.retry,
      channel: channels,
      what: 'upload interrupted; resuming',
      name,
      signal,
      onWait: () => progress.enter('waiting'),
    });
  }

  nothingSaid(): never {
    throw new TransferError(
      'PROTOCOL_ERROR',
      `the server finished ${this.#context.name} without naming the file`,
    );
  }

  async #retried<Response>(
    call: (channel: Channel, signal: AbortSignal) => Promise<Response>,
  ): Promise<Response> {
    const { channels, signal } = this.#context;
    const channel = channels.at(0);
    return await this.newRetry().run(() => call(channel, signal));
  }
}
