/**
 * The default store: a directory of this machine. It only reads; `openUploads`
 * writes. Every name is checked by `name.ts` and then walked from the root, which
 * a descriptor holds (`ServedRoot`); nothing outside is reached, even when
 * directories are moved or become links meanwhile.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { entryStatsOf } from '../../base/files/entry-stats.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import { parsePosition } from '../listing-position.ts';
import { parseName, parsePrefix } from '../name.ts';
import type {
  FileIdentity,
  Listed,
  OpenFile,
  OpenPack,
  PackedFile,
  Store,
  StoreListOptions,
  StoreOpenOptions,
  StoreStatOptions,
} from '../store.ts';
import type { UploadStore } from '../upload-store.ts';
import type { Directory } from './directory.ts';
import { inParentOf } from './directory-walk.ts';
import { toStorageError } from './io-error.ts';
import { listingOf, openPrefix } from './listing/listing.ts';
import { ListingShare } from './listing/listing-share.ts';
import { LocalFile } from './local-file.ts';
import { openLocalPack } from './local-pack.ts';
import { openRegularFile, statRegularFile } from './regular-file.ts';
import { openRoot } from './root-directory.ts';
import { type HeldRoot, ServedRoot } from './served-root.ts';
import { withSuggestion } from './suggestion.ts';
import { nodeFileSystem } from './uploads/disk/file-system.ts';
import { hashHere } from './uploads/disk/read-pieces.ts';
import { openLocalUploads } from './uploads/local-uploads.ts';
import type { UploadOptions } from './uploads/options.ts';
import { Digests, type HashFile } from './versions/digests.ts';
import { KeptDigests } from './versions/kept-digests.ts';
import { type VersionBy, Versions } from './versions/versions.ts';

export interface LocalStoreOptions {
  /** Default: drops everything. */
  readonly logger?: Logger;
  /** How often it is seen whether the directory was replaced, at most. Default: LOOK_EVERY_MS. */
  readonly lookEveryMs?: number;
  /** What a version of a file is. Default: identity. */
  readonly versionBy?: VersionBy;
  /** For digests. Default: on this thread, a piece at a time. */
  readonly hash?: HashFile;
}

/** A look by path costs nothing, and a remounted volume is noticed within a second. */
const LOOK_EVERY_MS = 1000;

/**
 * The store of the files below `rootPath`.
 *
 * @throws TransferError INVALID_CONFIG when the directory cannot be served.
 */
export async function openLocalStore(rootPath: string, options: LocalStoreOptions = {}): Promise<LocalStore> {
  const { logger = silentLogger, lookEveryMs = LOOK_EVERY_MS, versionBy = 'identity' } = options;
  const digests = new Digests(options.hash ?? hashHere(nodeFileSystem), new KeptDigests(logger));
  const served = new ServedRoot(rootPath, await openRoot(rootPath), { logger, lookEveryMs });
  return new LocalStore(served, new Versions(versionBy, digests));
}

export class LocalStore implements Store {
  readonly #served: ServedRoot;
  readonly #versions: Versions;
  readonly #listingShare = new ListingShare();

  /** Takes over `served` and closes it. */
  constructor(served: ServedRoot, versions: Versions) {
    this.#served = served;
    this.#versions = versions;
  }

  async open(name: string, options: StoreOpenOptions = {}): Promise<OpenFile> {
    const file = await this.#open(name);
    return await orClosed(file, file.identify(options));
  }

  async stat(name: string, { digest = false, signal }: StoreStatOptions = {}): Promise<FileIdentity> {
    const found = await this.#look(name);
    if (!digest || found.digest !== undefined) return found;
    const file = await this.#open(name);
    const { identity } = await orClosed(file, file.addDigest(signal));
    await file.close();
    return identity;
  }

  async #open(name: string): Promise<LocalFile> {
    const components = parseName(name);
    const held = await this.#served.current();
    const file = await atEntry(held, components, (parent, entry) =>
      openRegularFile(parent, entry, name, held.root.device),
    );
    return new LocalFile(components, file, held, this.#versions);
  }

  async #look(name: string): Promise<FileIdentity> {
    const components = parseName(name);
    const held = await this.#served.current();
    const stats = await atEntry(held, components, (parent, entry) =>
      statRegularFile(parent, entry, name, held.root.device),
    );
    return this.#versions.identityOf(name, entryStatsOf(stats));
  }

  async openPack(files: readonly PackedFile[]): Promise<OpenPack> {
    return openLocalPack(await this.#served.current(), files, this.#versions);
  }

  async *list(
    prefix: string,
    { after, enters, look, recursive, signal }: StoreListOptions,
  ): AsyncGenerator<Listed, void, undefined> {
    const from = after === undefined ? [] : parsePosition(after);
    const components = parsePrefix(prefix);
    const held = await this.#served.current();
    const { device } = held.root;
    const directory = await atEntry(held, components, (parent, entry) =>
      openPrefix(parent, entry, prefix, device),
    );
    const scope = {
      recursive,
      device,
      share: this.#listingShare,
      versions: this.#versions,
      ...(look === undefined ? {} : { look }),
      ...(signal === undefined ? {} : { signal }),
      ...(enters === undefined ? {} : { enters }),
    };
    try {
      yield* listingOf(directory, prefix, scope, from);
    } finally {
      await directory.close();
    }
  }

  async checkReachable(): Promise<void> {
    await this.#served.current();
  }

  /**
   * Uploads into this directory and deletes from it; close them before the store.
   *
   * @throws TransferError INVALID_CONFIG when the directory of unfinished uploads cannot be used, or
   *   another server uses it.
   */
  openUploads(options: UploadOptions): Promise<UploadStore> {
    const held = this.#served.pin();
    const checkRoot = () => this.#served.current();
    return held.use.use(() => openLocalUploads(held, this.#versions, options, checkRoot));
  }

  /** Keeps the digests of files in `path`, for a later process: where the directory is only read. */
  async keepDigestsAt(path: string): Promise<void> {
    await this.#versions.digests.kept.keepAt(async (to) => {
      if (to === 'write') await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      return path;
    });
  }

  /**
   * Refuses further calls; resolves when those under way have ended, and packs are closed. Open files stay
   * readable, but not verifiable.
   */
  async close(): Promise<void> {
    await this.#served.close();
    await this.#versions.digests.kept.stopKeeping();
  }
}

/** The result of `work` on `file`, which is closed where that fails. */
async function orClosed<T>(file: LocalFile, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (reason) {
    // Not waited for: a computation that its caller left goes on with the descriptor.
    file.close().catch(() => {});
    throw reason;
  }
}

/** Runs `work` at the entry that `components` lead to; every error leaves as a TransferError. */
function atEntry<T>(
  { root: { directory }, use }: HeldRoot,
  components: readonly string[],
  work: (parent: Directory, entry: string) => Promise<T>,
): Promise<T> {
  return use.use(async () => {
    try {
      return await inParentOf(directory, components, work);
    } catch (reason) {
      const error = toStorageError(reason, components.join('/'));
      throw error.code === 'NOT_FOUND' ? await withSuggestion(error, directory, components) : error;
    }
  });
}
