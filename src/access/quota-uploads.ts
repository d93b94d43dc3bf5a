/**
 * A store of uploads that keeps quotas. What is stored is counted when a quota
 * begins to hold and every hour, and kept up to date by what goes through here.
 *
 * Invariant: a file that would exceed a quota gets no name. It is refused as early
 * as its size is known: at the start, while bytes come, at the finish at the latest.
 */
import { TransferError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { ByteRange } from '../base/ranges.ts';
import type { PackJobs } from '../storage/pack-jobs.ts';
import type { FileIdentity, Store } from '../storage/store.ts';
import type {
  ExpectedContent,
  OpenUpload,
  PackFile,
  Upload,
  UploadSpec,
  UploadState,
  UploadStore,
  UploadWriter,
  WriteCondition,
  WriteOutcome,
} from '../storage/upload-store.ts';
import type { Access } from './access.ts';
import { NO_NAME } from './guarded-store.ts';
import { type Change, inverse, Quota } from './quota.ts';

const COUNT_EVERY_MS = 3_600_000;

export class QuotaUploads implements UploadStore {
  readonly #uploads: UploadStore;
  readonly #store: Store;
  readonly #access: Access;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #quotas: readonly Quota[] = [];

  /** `store` has the files that `uploads` makes; both are unguarded. */
  constructor(uploads: UploadStore, store: Store, access: Access, logger: Logger) {
    this.#uploads = uploads;
    this.#store = store;
    this.#access = access;
    this.#logger = logger;
    this.#renew();
    access.onChange(() => this.#renew());
    this.#timer = setInterval(() => this.#count(this.#quotas), COUNT_EVERY_MS).unref();
  }

  async start(spec: UploadSpec, share?: string | null): Promise<Upload> {
    const quotas = await this.#covering(spec.name);
    if (quotas.length === 0) return await this.#uploads.start(spec, share);
    const storedBytes = await this.#storedBytes(spec.name);
    const change = changeTo(spec.expected.size ?? 0, storedBytes);
    for (const quota of quotas) quota.require(change, spec.id);
    const upload = await this.#uploads.start(spec, share);
    return new QuotaUpload(upload, quotas, storedBytes);
  }

  async find(id: string): Promise<Upload> {
    const upload = await this.#uploads.find(id);
    const quotas = await this.#covering(upload.name);
    if (quotas.length === 0) return upload;
    return new QuotaUpload(upload, quotas, await this.#storedBytes(upload.name));
  }

  /** Files that do not fit any more have that as their outcome; the others are written. */
  async writePack(
    files: readonly PackFile[],
    jobs: PackJobs,
    share?: string | null,
  ): Promise<WriteOutcome[]> {
    const changes = await Promise.all(files.map((file) => this.#changeBy(file)));
    // In the order of the files, because the first that do not fit are refused.
    const taken = changes.map(takeIfItFits);
    const written = files.map((file, at) =>
      taken[at] instanceof TransferError ? { ...file, name: NO_NAME } : file,
    );
    const giveBack = (at: number) => {
      const each = taken[at];
      if (each !== undefined && !(each instanceof TransferError)) {
        for (const quota of each.quotas) quota.add(inverse(each.change));
      }
    };
    let outcomes: WriteOutcome[];
    try {
      outcomes = await this.#uploads.writePack(written, jobs, share);
    } catch (reason) {
      for (const at of files.keys()) giveBack(at);
      throw reason;
    }
    return outcomes.map((outcome, at) => {
      const refusal = taken[at];
      if (refusal instanceof TransferError) return refusal;
      if (outcome instanceof TransferError) giveBack(at);
      return outcome;
    });
  }

  async delete(name: string, condition: WriteCondition): Promise<void> {
    const quotas = await this.#covering(name);
    const storedBytes = quotas.length === 0 ? undefined : await this.#storedBytes(name);
    await this.#uploads.delete(name, condition);
    if (storedBytes === undefined) return;
    for (const quota of quotas) quota.add({ files: -1, bytes: -storedBytes });
  }

  async deleteDirectory(name: string): Promise<void> {
    await this.#uploads.deleteDirectory(name);
  }

  async makeDirectory(name: string, mode?: number): Promise<void> {
    await this.#uploads.makeDirectory(name, mode);
  }

  openUploads(): readonly OpenUpload[] {
    return this.#uploads.openUploads?.() ?? [];
  }

  async allKnown(): Promise<void> {
    await this.#uploads.allKnown?.();
  }

  /** Whoever made the store of uploads closes it. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
  }

  async #changeBy({ name, size }: PackFile): Promise<CoveredChange> {
    const quotas = await this.#covering(name);
    return {
      quotas,
      change: quotas.length === 0 ? NO_CHANGE : changeTo(size, await this.#storedBytes(name)),
    };
  }

  async #covering(name: string): Promise<readonly Quota[]> {
    const quotas = this.#quotas.filter((quota) => quota.covers(name));
    await Promise.all(quotas.map(({ counted }) => counted));
    return quotas;
  }

  /** Of the file of that name; undefined where there is none. */
  async #storedBytes(name: string): Promise<number | undefined> {
    try {
      return (await this.#store.stat(name)).size;
    } catch {
      return undefined;
    }
  }

  /** Takes over the quotas that are in force; counts those that are new. */
  #renew(): void {
    const known = this.#quotas;
    const rules = this.#access.quotas ?? [];
    const openIds = () => new Set(this.openUploads().map(({ id }) => id));
    this.#quotas = rules.map(
      (rule) =>
        known.find((quota) => JSON.stringify(quota.rule) === JSON.stringify(rule)) ??
        new Quota(rule, openIds),
    );
    this.#count(this.#quotas.filter((quota) => !known.includes(quota)));
  }

  #count(quotas: readonly Quota[]): void {
    for (const quota of quotas) {
      quota.count(this.#store).catch((reason: unknown) => {
        this.#logger.error(
          { on: quota.rule.on, err: reason },
          'what is stored below a quota cannot be counted',
        );
      });
    }
  }
}

/** A change, and the quotas that it counts for. */
interface CoveredChange {
  readonly quotas: readonly Quota[];
  readonly change: Change;
}

/** The error where it does not fit. */
function takeIfItFits(covered: CoveredChange): CoveredChange | TransferError {
  const { change, quotas } = covered;
  try {
    for (const quota of quotas) quota.require(change);
  } catch (reason) {
    return TransferError.from(reason);
  }
  for (const quota of quotas) quota.add(change);
  return covered;
}

const NO_CHANGE: Change = { files: 0, bytes: 0 };

function changeTo(bytes: number, storedBytes: number | undefined): Change {
  return storedBytes === undefined ? { files: 1, bytes } : { files: 0, bytes: bytes - storedBytes };
}

/** An upload whose file counts. */
class QuotaUpload implements Upload {
  readonly #upload: Upload;
  readonly #quotas: readonly Quota[];
  readonly #storedBytes: number | undefined;
  #bytes: number;

  constructor(upload: Upload, quotas: readonly Quota[], storedBytes: number | undefined) {
    this.#upload = upload;
    this.#quotas = quotas;
    this.#storedBytes = storedBytes;
    const { file, parts } = upload.state();
    this.#bytes = Math.max(upload.expectedSize ?? 0, parts.at(-1)?.end ?? 0);
    if (file === undefined) this.#expect(this.#bytes);
  }

  get id(): string {
    return this.#upload.id;
  }

  get name(): string {
    return this.#upload.name;
  }

  get owner(): string | undefined {
    return this.#upload.owner;
  }

  get expectedSize(): number | undefined {
    return this.#upload.expectedSize;
  }

  get maxStreams(): number | undefined {
    return this.#upload.maxStreams;
  }

  state(): UploadState {
    return this.#upload.state();
  }

  openWriter(onFailed: (error: Error) => void): Promise<UploadWriter> {
    return this.#upload.openWriter(onFailed);
  }

  missing(start: number, end: number): ByteRange[] {
    return this.#upload.missing(start, end);
  }

  checkQuota(offset: number, bytes: number): void {
    this.#upload.checkQuota(offset, bytes);
    if (offset + bytes <= this.#bytes) return;
    const change = changeTo(offset + bytes, this.#storedBytes);
    for (const quota of this.#quotas) quota.require(change, this.id);
    this.#expect(offset + bytes);
  }

  written(range: Parameters<Upload['written']>[0]): void {
    this.#upload.written(range);
  }

  sync(): Promise<void> {
    return this.#upload.sync();
  }

  async finish(expected: ExpectedContent): Promise<FileIdentity> {
    if (this.#upload.state().file !== undefined) return await this.#upload.finish(expected);
    const change = changeTo(Math.max(this.#bytes, expected.size ?? 0), this.#storedBytes);
    for (const quota of this.#quotas) quota.require(change, this.id);
    const file = await this.#upload.finish(expected);
    // Of several finishes one counts.
    for (const quota of this.#quotas)
      if (quota.forget(this.id)) quota.add(changeTo(file.size, this.#storedBytes));
    return file;
  }

  async abort(): Promise<void> {
    await this.#upload.abort();
    for (const quota of this.#quotas) quota.forget(this.id);
  }

  #expect(bytes: number): void {
    this.#bytes = bytes;
    for (const quota of this.#quotas) quota.expect(this.id, changeTo(bytes, this.#storedBytes));
  }
}
