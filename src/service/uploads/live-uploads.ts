/**
 * The uploads with active calls, each with the claims of its streams. The store
 * knows all others.
 */
import type { Guard } from '../../access/guard.ts';
import { GuardedUploads } from '../../access/guarded-uploads.ts';
import { TransferError } from '../../base/errors.ts';
import type { FileIdentity } from '../../storage/store.ts';
import type {
  ExpectedContent,
  OpenUpload,
  Upload,
  UploadSpec,
  UploadStore,
} from '../../storage/upload-store.ts';
import type { Account } from '../prelude/accounts.ts';
import { UploadClaims } from './upload-claims.ts';

export interface LiveUpload {
  readonly upload: Upload;
  readonly claims: UploadClaims;
}

/** Who uses them: what a call may do, and what its caller is counted by. */
interface User {
  readonly guard: Guard;
  readonly account: Account;
}

export class LiveUploads {
  /** As nobody in particular may use it. */
  readonly #stored: UploadStore | null;
  readonly #store: UploadStore | null;
  readonly #user: User | null;
  readonly #live: Map<string, LiveUpload>;

  /** @param store null where uploads are off. */
  constructor(
    store: UploadStore | null,
    user: User | null = null,
    live: Map<string, LiveUpload> = new Map(),
  ) {
    this.#stored = store;
    this.#store = store === null || user === null ? store : new GuardedUploads(store, user.guard);
    this.#user = user;
    this.#live = live;
  }

  /** The same uploads, as one caller may use them. */
  for(guard: Guard, account: Account): LiveUploads {
    return new LiveUploads(this.#stored, { guard, account }, this.#live);
  }

  /** Throws READ_ONLY where uploads are off. */
  get store(): UploadStore {
    if (this.#store !== null) return this.#store;
    throw new TransferError('READ_ONLY', 'the server is read-only; start it with --writable');
  }

  /** The unfinished uploads of all, as far as the store tells. */
  open(): readonly OpenUpload[] {
    return this.#stored?.openUploads?.() ?? [];
  }

  /** @param owner whose share of all uploads it takes: what the peer is counted by, or null. */
  async start(spec: UploadSpec, owner: string | null): Promise<Upload> {
    const begin = () => this.store.start(spec, owner);
    if (this.#user === null) return await begin();
    return await this.#user.account.beginUpload(() => this.#openBeside(spec.id, owner), begin);
  }

  /** Unfinished uploads of an owner, if none of them has the id. */
  async #openBeside(id: string | undefined, owner: string | null): Promise<number> {
    await this.#stored?.allKnown?.();
    const own = this.open().filter((each) => each.owner === owner);
    return own.some((each) => each.id === id) ? 0 : own.length;
  }

  /** Throws UPLOAD_NOT_FOUND; also when it is an upload of another file than `fileName`, where that is given. */
  async find(id: string, fileName = ''): Promise<Upload> {
    const live = this.#live.get(id)?.upload;
    if (live !== undefined) this.#user?.guard.requireOwn(live);
    const upload = live ?? (await this.store.find(id));
    if (fileName === '' || fileName === upload.name) return upload;
    throw new TransferError('UPLOAD_NOT_FOUND', 'the upload belongs to another file; start a new one');
  }

  /** As `Upload.finish`. */
  async finish(upload: Upload, expected: ExpectedContent): Promise<FileIdentity> {
    const finish = () => upload.finish(expected);
    return await (this.#user === null ? finish() : this.#user.guard.audited('write', upload.name, finish));
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
