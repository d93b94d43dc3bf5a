/**
 * The default store: a directory of this machine. It only reads; `openUploads`
 * writes. Every name is checked by `name.ts` and then walked from the root, which
 * a descriptor holds (`ServedRoot`); nothing outside is reached, even when
 * directories are moved or become links meanwhile.
 */
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
} from '../store.ts';
import type { UploadStore } from '../upload-store.ts';
import type { Directory } from './directory.ts';
import { inParentOf } from './directory-walk.ts';
import { identityOf } from './file-identity.ts';
import { toStorageError } from './io-error.ts';
import { listingOf, openPrefix } from './listing/listing.ts';
import { ListingShare } from './listing/listing-share.ts';
import { LocalFile } from './local-file.ts';
import { openLocalPack } from './local-pack.ts';
import { openRegularFile, statRegularFile } from './regular-file.ts';
import { openRoot } from './root-directory.ts';
import { type HeldRoot, ServedRoot } from './served-root.ts';
import { withSuggestion } from './suggestion.ts';
import { openLocalUploads } from './uploads/local-uploads.ts';
import type { UploadOptions } from './uploads/options.ts';

export interface LocalStoreOptions {
  /** Default: drops everything. */
  readonly logger?: Logger;
  /** How often it is seen whether the directory was replaced, at most. Default: LOOK_EVERY_MS. */
  readonly lookEveryMs?: number;
}

/** A look by path costs nothing, and a remounted volume is noticed within a second. */
const LOOK_EVERY_MS = 1000;

/**
 * The store of the files below `rootPath`.
 *
 * @throws TransferError INVALID_CONFIG when the directory cannot be served.
 */
export async function openLocalStore(rootPath: string, options: LocalStoreOptions = {}): Promise<LocalStore> {
  const { logger = silentLogger, lookEveryMs = LOOK_EVERY_MS } = options;
  return new LocalStore(new ServedRoot(rootPath, await openRoot(rootPath), { logger, lookEveryMs }));
}

export class LocalStore implements Store {
  readonly #served: ServedRoot;
  readonly #listingShare = new ListingShare();

  /** Takes over `served` and closes it. */
  constructor(served: ServedRoot) {
    this.#served = served;
  }

  async open(name: string): Promise<OpenFile> {
    const components = parseName(name);
    const held = await this.#served.current();
    const file = await atEntry(held, components, (parent, entry) =>
      openRegularFile(parent, entry, name, held.root.device),
    );
    return new LocalFile(components, file, held.root, held.use);
  }

  async stat(name: string): Promise<FileIdentity> {
    const components = parseName(name);
    const held = await this.#served.current();
    const stats = await atEntry(held, components, (parent, entry) =>
      statRegularFile(parent, entry, name, held.root.device),
    );
    return identityOf(name, stats);
  }

  async openPack(files: readonly PackedFile[]): Promise<OpenPack> {
    return openLocalPack(await this.#served.current(), files);
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
    const { root, use } = this.#served.pin();
    return use.use(() => openLocalUploads(root, use, options, () => this.#served.current()));
  }

  /**
   * Refuses further calls; resolves when those under way have ended, and packs are closed. Open files stay
   * readable, but not verifiable.
   */
  close(): Promise<void> {
    return this.#served.close();
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
