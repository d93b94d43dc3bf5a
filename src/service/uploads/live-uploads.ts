/**
 * The uploads with active calls, each with the claims of its streams. The store
 * knows all others.
 */
import { TransferError } from '../../base/errors.ts';
import type { OpenUpload, Upload, UploadSpec, UploadStore } from '../../storage/upload-store.ts';
import { UploadClaims } from './upload-claims.ts';

export interface LiveUpload {
  readonly upload: Upload;
  readonly claims: UploadClaims;
}

export class LiveUploads {
  readonly #store: UploadStore | null;
  readonly #live = new Map<string, LiveUpload>();

  /** @param store null where uploads are off. */
  constructor(store: UploadStore | null) {
    this.#store = store;
  }

  /** Throws READ_ONLY where uploads are off. */
  get store(): UploadStore {
    if (this.#store !== null) return this.#store;
    throw new TransferError('READ_ONLY', 'the server is read-only; start it with --writable');
  }

  /** The unfinished uploads, as far as the store tells. */
  open(): readonly OpenUpload[] {
    return this.#store?.openUploads?.() ?? [];
  }

  /** @param owner whose share of all uploads it takes: the address of the peer, or null. */
  start(spec: UploadSpec, owner: string | null): Promise<Upload> {
    return this.store.start(spec, owner);
  }

  /** Throws UPLOAD_NOT_FOUND; also when it is an upload of another file than `fileName`, where that is given. */
  async find(id: string, fileName = ''): Promise<Upload> {
    const upload = this.#live.get(id)?.upload ?? (await this.store.find(id));
    if (fileName === '' || fileName === upload.name) return upload;
    throw new TransferError('UPLOAD_NOT_FOUND', 'the upload belongs to another file; start a new one');
  }

  /** The upload with its claims; `left` when the stream is over. */
  joined(upload: Upload): LiveUpload {
    let live = this.#live.get(upload.id);
    if (live === undefined) {
      live = { upload, claims: new UploadClaims() };
      this.#live.set(upload.id, live);
    }
    return live;
  }

  /** Ends every stream with `error`; resolves when what they have received is written. They make it durable as they end. */
  async endAll(error: TransferError): Promise<void> {
    await Promise.all([...this.#live.values()].map(({ claims }) => claims.endAll(error)));
  }

  left({ upload, claims }: LiveUpload): void {
    if (claims.count === 0 && this.#live.get(upload.id)?.claims === claims) this.#live.delete(upload.id);
  }
}
