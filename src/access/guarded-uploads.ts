/**
 * A store of uploads as one caller may use it: names are decided here, and an
 * upload belongs to the identity that began it.
 */
import { TransferError } from '../base/errors.ts';
import { nameFault, parseName } from '../storage/name.ts';
import type { PackJobs } from '../storage/pack-jobs.ts';
import type {
  PackFile,
  Upload,
  UploadSpec,
  UploadStore,
  WriteCondition,
  WriteOutcome,
} from '../storage/upload-store.ts';
import { type Guard, uploadNotFound } from './guard.ts';
import { NO_NAME } from './guarded-store.ts';

export class GuardedUploads implements UploadStore {
  readonly #store: UploadStore;
  readonly #guard: Guard;

  constructor(store: UploadStore, guard: Guard) {
    this.#store = store;
    this.#guard = guard;
  }

  async start(spec: UploadSpec, share?: string | null): Promise<Upload> {
    this.#guard.require('write', spec.name);
    const { owner } = this.#guard;
    return await this.#store.start(owner === undefined ? spec : { ...spec, owner }, share);
  }

  async find(id: string): Promise<Upload> {
    let upload: Upload;
    try {
      upload = await this.#store.find(id);
    } catch (reason) {
      throw TransferError.from(reason).code === 'UPLOAD_NOT_FOUND' ? uploadNotFound() : reason;
    }
    this.#guard.requireOwn(upload);
    return upload;
  }

  /** Files that may not be written have that as their outcome; the others are written. */
  async writePack(
    files: readonly PackFile[],
    jobs: PackJobs,
    share?: string | null,
  ): Promise<WriteOutcome[]> {
    const refusals = files.map(({ name }) => this.#refusalOf(name));
    if (refusals.every((refusal) => refusal !== undefined)) return refusals;
    // A file keeps its place, which is where its bytes are; without a name it is not written.
    const written = files.map((file, index) =>
      refusals[index] === undefined ? file : { ...file, name: NO_NAME },
    );
    const outcomes = await this.#store.writePack(written, jobs, share);
    return outcomes.map((outcome, index) => {
      const refusal = refusals[index];
      if (refusal !== undefined) return refusal;
      const { name } = files[index] as PackFile;
      this.#guard.note('write', name, outcome instanceof TransferError ? outcome : null);
      return outcome;
    });
  }

  async delete(name: string, condition: WriteCondition): Promise<void> {
    this.#guard.require('delete', name);
    await this.#guard.audited('delete', name, () => this.#store.delete(name, condition));
  }

  async deleteDirectory(name: string): Promise<void> {
    this.#guard.require('delete', name);
    await this.#guard.audited('delete', name, () => this.#store.deleteDirectory(name));
  }

  async makeDirectory(name: string, mode?: number): Promise<void> {
    this.#guard.require('write', name);
    await this.#guard.audited('write', name, () => this.#store.makeDirectory(name, mode));
  }

  /** Whoever made the store closes it. */
  async close(): Promise<void> {}

  /** None for what is no name, which the store refuses. */
  #refusalOf(name: string): TransferError | undefined {
    if (nameFault(name) !== undefined || this.#guard.may('write', parseName(name))) return undefined;
    return this.#guard.refusal('write', name);
  }
}
