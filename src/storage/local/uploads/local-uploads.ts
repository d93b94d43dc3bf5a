/**
 * The store of uploads in a local directory: lets new ones in as far as the limits
 * that they share allow, and finds those that there are.
 */
import { RefCountedResource } from '../../../base/async/ref-counted-resource.ts';
import { Counters } from '../../../base/counters/counters.ts';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/logger.ts';
import { isUploadId, newUploadId } from '../../../base/upload-id.ts';
import { requireSize } from '../../max-size.ts';
import type { PackJobs } from '../../pack-jobs.ts';
import { ownLocks } from '../../process-locks.ts';
import { uploadNotFound } from '../../upload-not-found.ts';
import type {
  OpenUpload,
  PackFile,
  Upload,
  UploadSpec,
  UploadStore,
  WriteCondition,
  WriteOutcome,
} from '../../upload-store.ts';
import type { HeldRoot } from '../served-root.ts';
import type { Versions } from '../versions/versions.ts';
import { createUpload } from './create-upload.ts';
import { deleteDirectory, deleteFile } from './delete.ts';
import { Durability } from './disk/durability.ts';
import { nodeFileSystem } from './disk/file-system.ts';
import { FreeSpace } from './disk/free-space.ts';
import { GroupSync } from './disk/group-sync.ts';
import { hashHere } from './disk/read-pieces.ts';
import { toWriteError } from './disk/write-error.ts';
import { LoadedUploads } from './loaded-uploads.ts';
import { makeDirectory } from './make-directory.ts';
import type { UploadContext, UploadOptions } from './options.ts';
import { Packs } from './packs/packs.ts';
import { RootLock } from './root-lock.ts';
import { Sweep } from './sweep.ts';
import { atTarget, checkCondition, foundAt } from './target.ts';
import { UploadIndex } from './upload-index.ts';
import { UploadsDirectory } from './uploads-directory.ts';

/**
 * The uploads below the root, which stays open for them until their `close`.
 * Each call begins with `checkRoot`, and fails with what that rejects with.
 *
 * @throws TransferError INVALID_CONFIG when the directory of uploads cannot be used, or another server uses it.
 */
export async function openLocalUploads(
  held: HeldRoot,
  versions: Versions,
  options: UploadOptions,
  checkRoot: () => Promise<unknown>,
): Promise<UploadStore> {
  const context = contextOf(held, versions, options);
  const { logger, root, rootUse } = context;
  const { number } = context.locks;
  const lock = await RootLock.acquire({ root, rootUse, logger, number, beatMs: options.lockBeatMs });
  try {
    const uploads = new LocalUploads(context, lock, checkRoot);
    await uploads.resume();
    return uploads;
  } catch (reason) {
    await lock.release();
    const errno = errnoOf(reason) ?? 'unknown error';
    if (reason instanceof TransferError) throw reason;
    const message = `the directory of unfinished uploads cannot be opened (${errno}); mend or remove it`;
    throw new TransferError('INVALID_CONFIG', message, { cause: reason });
  }
}

function contextOf(
  { root, use: rootUse }: HeldRoot,
  versions: Versions,
  options: UploadOptions,
): UploadContext {
  const fs = options.fileSystem ?? nodeFileSystem;
  const logger = options.logger ?? silentLogger;
  const now = options.now ?? Date.now;
  const counters = options.counters ?? new Counters();
  const durability = new Durability(fs, options.sync !== 'none', counters);
  const directory = new UploadsDirectory(fs, root, durability);
  const measure = () => rootUse.use(() => fs.freeBytes(root.directory.pathOf('.')));
  return {
    fs,
    root,
    rootUse,
    versions,
    options,
    logger,
    counters,
    now,
    durability,
    hash: options.hash ?? hashHere(fs),
    directory,
    locks: options.locks ?? ownLocks(),
    index: new UploadIndex(options.maxOpen, options.maxTotalBytes),
    freeSpace: new FreeSpace(measure, options.minFreeBytes, now, logger),
    groupSync: new GroupSync(durability, () => directory.pathOfEntry('.'), logger),
  };
}

class LocalUploads implements UploadStore {
  readonly #context: UploadContext;
  readonly #lock: RootLock;
  readonly #checkRoot: () => Promise<unknown>;
  readonly #uploads: LoadedUploads;
  readonly #packs: Packs;
  readonly #sweep: Sweep;
  readonly #use: RefCountedResource;

  /** Takes over `lock` and releases it. `checkRoot` rejects while the root is not what is served. */
  constructor(context: UploadContext, lock: RootLock, checkRoot: () => Promise<unknown>) {
    this.#context = context;
    this.#lock = lock;
    this.#checkRoot = checkRoot;
    this.#packs = new Packs(context, () => lock.check());
    this.#uploads = new LoadedUploads(context, () => this.#sweep.forgetSuperfluous());
    this.#sweep = new Sweep(context, this.#uploads, this.#packs);
    this.#use = new RefCountedResource('the store of uploads', () => this.#release());
  }

  /** Looks at what earlier processes left. */
  async resume(): Promise<void> {
    const { directory, versions } = this.#context;
    if (await directory.openIfThere()) this.#sweep.begin();
    await versions.digests.kept.keepAt(async (to) => {
      if (to === 'write') await directory.open();
      else if (!(await directory.openIfThere())) throw Object.assign(new Error(), { code: 'ENOENT' });
      return directory.pathOfEntry(DIGESTS_ENTRY);
    });
  }

  start(spec: UploadSpec, owner?: string | null): Promise<Upload> {
    return this.#locked(() => this.#start(spec, owner));
  }

  find(id: string): Promise<Upload> {
    return this.#locked(() => this.#find(id));
  }

  writePack(files: readonly PackFile[], jobs: PackJobs, owner?: string | null): Promise<WriteOutcome[]> {
    return this.#locked(() => this.#packs.run(() => this.#writePack(files, jobs, owner)));
  }

  delete(name: string, condition: WriteCondition): Promise<void> {
    return this.#locked(() => deleteFile(this.#context, name, condition));
  }

  deleteDirectory(name: string): Promise<void> {
    return this.#locked(() => deleteDirectory(this.#context, name));
  }

  makeDirectory(name: string, mode?: number): Promise<void> {
    return this.#locked(() => makeDirectory(this.#context, name, mode));
  }

  /** Packs that are being written count as uploads, and are none that can be resumed. */
  openUploads(): OpenUpload[] {
    const { index, options } = this.#context;
    const uploads: OpenUpload[] = [];
    for (const { id, owner, receivedSize, touchedMs } of index.open()) {
      if (this.#packs.has(id)) continue;
      const known = this.#uploads.get(id);
      uploads.push({
        id,
        owner,
        name: known?.name,
        startedMs: known?.startedMs,
        touchedMs,
        receivedSize,
        committedSize: known?.committedBytes ?? receivedSize,
        expectedSize: known?.expectedSize,
        expiresMs: touchedMs + options.expiryMs,
        isBusy: known?.isBusy ?? false,
      });
    }
    return uploads;
  }

  allKnown(): Promise<void> {
    return this.#sweep.hasLooked();
  }

  close(): Promise<void> {
    return this.#use.close();
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return this.#use.use(async () => {
      this.#lock.check();
      await this.#checkRoot();
      return await work();
    });
  }

  async #start(spec: UploadSpec, owner: string | null | undefined): Promise<Upload> {
    const { id } = spec;
    if (id === undefined) {
      const own = newUploadId();
      return await this.#uploads.leased(own, () => this.#create(own, spec, owner));
    }
    if (!isUploadId(id)) throw new TransferError('INVALID_ARGUMENT', BAD_ID);
    await this.#sweep.hasLooked();
    return await this.#uploads.ids.run(id, () =>
      this.#uploads.leased(
        id,
        async () => (await this.#started(id, spec)) ?? (await this.#create(id, spec, owner)),
      ),
    );
  }

  async #writePack(
    files: readonly PackFile[],
    jobs: PackJobs,
    owner: string | null | undefined,
  ): Promise<WriteOutcome[]> {
    const id = newUploadId();
    await this.#openDirectory('the pack');
    return await this.#uploads.leased(id, async () => {
      await this.#admit(id, jobs.size, owner);
      return await this.#packs.write(id, files, jobs);
    });
  }

  /** What an earlier call with the same id and wish has started. */
  async #started(id: string, spec: UploadSpec): Promise<Upload | undefined> {
    const { index, locks } = this.#context;
    // Another process may have begun it.
    const upload = index.has(id) || locks.number !== null ? await this.#uploads.load(id) : undefined;
    await upload?.expireIfOld();
    if (upload === undefined || upload.isGone) return undefined;
    if (!upload.isOf(spec)) throw new TransferError('INVALID_ARGUMENT', OTHER_ID);
    return upload;
  }

  async #create(id: string, spec: UploadSpec, owner: string | null | undefined): Promise<Upload> {
    const { directory, index, options } = this.#context;
    const { name, expected, condition } = spec;
    requireSize(options.maxSizeBytes, name, expected.size ?? 0);
    await this.#requireReplaceable(name, condition);
    await this.#openDirectory(name);
    await this.#admit(id, expected.size ?? 0, owner);
    try {
      await directory.open();
      return this.#uploads.adopt(await createUpload(this.#context, id, spec), false);
    } catch (reason) {
      index.forget(id);
      throw toWriteError(reason, name);
    }
  }

  /** Takes a new one of `size` bytes into the index, if all limits allow it. */
  async #admit(id: string, size: number, owner: string | null | undefined): Promise<void> {
    const { freeSpace, index, now } = this.#context;
    // What earlier processes left counts towards the limits.
    await Promise.all([this.#sweep.hasLooked(), freeSpace.measure()]);
    freeSpace.check(size);
    await this.#makePlace(owner ?? id);
    index.admit(id, owner ?? id, size, now());
  }

  /** Discards an upload for a new one of `owner`, where the limit asks for that and the rule has one. */
  async #makePlace(owner: string): Promise<void> {
    const { index, now } = this.#context;
    if (!index.isFull) return;
    const isBusy = (each: string) => this.#packs.has(each) || (this.#uploads.get(each)?.isBusy ?? false);
    const id = index.victimFor(owner, now(), isBusy);
    if (id !== undefined) await this.#uploads.ids.run(id, () => this.#sweep.giveUp(id));
  }

  async #openDirectory(name: string): Promise<void> {
    try {
      await this.#context.directory.open();
    } catch (reason) {
      throw toWriteError(reason, name);
    }
    this.#sweep.begin();
  }

  async #requireReplaceable(name: string, condition: WriteCondition): Promise<void> {
    const target = await orNotFound(
      atTarget(this.#context, name, 'enter', async (each) => {
        await checkCondition(this.#context, condition, name, foundAt(each));
        return each;
      }),
    );
    if (target === undefined) await checkCondition(this.#context, condition, name, undefined);
  }

  async #find(id: string): Promise<Upload> {
    // Checked before the id becomes part of a path.
    if (!isUploadId(id)) throw uploadNotFound(id, 'does not exist');
    const upload =
      this.#uploads.get(id) ??
      (await this.#uploads.ids.run(id, () => this.#uploads.leased(id, () => this.#uploads.load(id))));
    await upload?.expireIfOld();
    if (upload === undefined || upload.isGone)
      throw uploadNotFound(id, 'expired, was aborted or never began');
    upload.asked();
    return upload;
  }

  async #release(): Promise<void> {
    await this.#sweep.end();
    await this.#uploads.close();
    await this.#context.freeSpace.idle();
    await this.#context.versions.digests.kept.stopKeeping();
    await this.#context.directory.close();
    await this.#lock.release();
  }
}

/** No upload has such a name. */
const DIGESTS_ENTRY = 'digests';

const BAD_ID =
  'the upload_id of a new upload has 32 hexadecimal digits in lower case, chosen at random; or is empty';
const OTHER_ID =
  'there is an upload of this upload_id, of another file or content; choose a new one at random';

async function orNotFound<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (reason) {
    if (reason instanceof TransferError && reason.code === 'NOT_FOUND') return undefined;
    throw reason;
  }
}
