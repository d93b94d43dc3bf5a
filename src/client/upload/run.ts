/** The state that the stages of one upload share. */
import type { StartUploadRequest } from '../../wire/messages.ts';
import type { ResolvedOptions } from '../options.ts';
import type { UploadCalls } from './calls.ts';
import type { UploadChannels } from './channels.ts';
import type { ContentCrc } from './content-crc.ts';
import type { UploadRequest } from './options.ts';
import type { UploadReporter } from './progress.ts';
import type { OpenSource } from './sources/source.ts';
import type { UploadRecord, UploadRecords } from './sources/upload-record.ts';

export interface UploadContext {
  readonly channels: UploadChannels;
  readonly options: ResolvedOptions;
  readonly request: UploadRequest;
  readonly source: OpenSource;
  /** Undefined for what no later process can resume. */
  readonly records: UploadRecords | undefined;
  readonly progress: UploadReporter;
}

export class UploadRun {
  readonly context: UploadContext;
  readonly calls: UploadCalls;
  /** Undefined when nothing is verified. */
  readonly contentCrc: ContentCrc | undefined;
  /** Its reason, when aborted, is the error the upload ends with. */
  readonly signal: AbortSignal;
  /** The upload under way; empty before one has begun. */
  uploadId = '';
  /** A later process will find it. */
  isKept = false;
  /** It was begun with the terms of an earlier one. */
  isOnTrust = false;

  constructor(
    context: UploadContext,
    calls: UploadCalls,
    contentCrc: ContentCrc | undefined,
    signal: AbortSignal,
  ) {
    this.context = context;
    this.calls = calls;
    this.contentCrc = contentCrc;
    this.signal = signal;
  }

  /** From now on this is the upload; remembers it for a later process. */
  async enter(upload: Omit<UploadRecord, 'source' | 'attributes'>): Promise<void> {
    const { records, request, source } = this.context;
    this.uploadId = upload.uploadId;
    if (records === undefined || source.identity === undefined) return;
    this.isKept = await records.write({ ...upload, source: source.identity, attributes: request.attributes });
  }

  /** Nothing has begun, and nothing is known of the content. */
  reset(): void {
    this.uploadId = '';
    this.isKept = false;
    this.isOnTrust = false;
    this.contentCrc?.clear();
  }

  /** Begins the upload `uploadId`, however often it is sent. */
  startRequest(uploadId: string): StartUploadRequest {
    const { attributes, crc32, ifMatch, name, overwrite, sha256, size: given } = this.context.request;
    const size = this.context.source.size ?? given;
    return {
      fileName: name,
      overwrite,
      ifMatch,
      uploadId,
      ...attributes,
      expected: {
        sha256,
        ...(size === undefined ? {} : { size }),
        ...(crc32 === undefined ? {} : { crc32 }),
      },
    };
  }
}
