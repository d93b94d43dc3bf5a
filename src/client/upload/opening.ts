/**
 * How calls name the upload they send to. The call with the first bytes starts
 * the upload, which saves a round trip. The client chooses the id, so that it can
 * ask for the upload whatever becomes of the call.
 */
import type { StartUploadRequest, UploadFileRequest } from '../../wire/messages.ts';
import type { UploadCalls } from './calls.ts';

export class UploadOpening {
  readonly uploadId: string;
  readonly #calls: UploadCalls;
  /** What is to be begun; undefined once the server is known to have the upload. */
  #start: StartUploadRequest | undefined;

  /** @param start for an upload that the server does not know yet */
  constructor(uploadId: string, calls: UploadCalls, start?: StartUploadRequest) {
    this.uploadId = uploadId;
    this.#calls = calls;
    this.#start = start;
  }

  /** The first message of a call. */
  get message(): Pick<UploadFileRequest, 'uploadId'> | Pick<UploadFileRequest, 'start'> {
    return this.#start === undefined ? { uploadId: this.uploadId } : { start: this.#start };
  }

  /** The server has named the upload `startedId` to the call that began it. */
  confirm(startedId: string): void {
    if (startedId === this.uploadId) this.#start = undefined;
  }

  /** Has the server know the upload. Rejects with what StartUpload refuses. */
  async ensure(): Promise<void> {
    if (this.#start === undefined) return;
    this.confirm((await this.#calls.start(this.#start)).uploadId);
  }
}
