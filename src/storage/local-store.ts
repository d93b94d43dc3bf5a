/**
 * The store that is a directory of this machine: the embedded default. It only
 * reads; `openUploads` writes. Every name is checked by `name.ts` and then walked from the root, which
 * one descriptor holds for the life of the store; nothing outside it is reached,
 * also when directories are moved or become links meanwhile.
 */
import type { Directory, Root } from './directory.ts';
import { inParentOf } from './directory-walk.ts';
import { identityOf } from './file-identity.ts';
import { toStorageError } from './io-error.ts';
import { listingOf, openPrefix } from './listing/listing.ts';
import { ListingShare } from './listing/listing-share.ts';
import { parsePosition } from './listing/position.ts';
import { LocalFile } from './local-file.ts';
import { parseName, parsePrefix } from './name.ts';
import { openRegularFile, statRegularFile } from './regular-file.ts';
import { openRoot } from './root-directory.ts';
import { SharedResource } from './shared-resource.ts';
import type { FileIdentity, Listed, ListOptions, OpenFile, Store } from './store.ts';
import { withSuggestion } from './suggestion.ts';
import type { UploadStore } from './upload-store.ts';
import { openLocalUploads } from './uploads/local-uploads.ts';
import type { UploadOptions } from './uploads/options.ts';

/**
 * The store of the files below `rootPath`.
 *
 * @throws TransferError INVALID_CONFIG when the directory cannot be served.
 */
export async function openLocalStore(rootPath: string): Promise<LocalStore> {
  return new LocalStore(await openRoot(rootPath));
}

export class LocalStore implements Store {
  readonly #root: Root;
  readonly #rootUse: SharedResource;
  readonly #listingShare = new ListingShare();

  /** Takes over `root` and closes it. */
  constructor(root: Root) {
    this.#root = root;
    this.#rootUse = new SharedResource('the store', () => root.directory.close());
  }

  async open(name: string): Promise<OpenFile> {
    const components = parseName(name);
    const file = await this.#atEntry(components, (parent, entry) =>
      openRegularFile(parent, entry, name, this.#root.device),
    );
    return new LocalFile(components, file, this.#root, this.#rootUse);
  }

  async stat(name: string): Promise<FileIdentity> {
    const stats = await this.#atEntry(parseName(name), (parent, entry) =>
      statRegularFile(parent, entry, name, this.#root.device),
    );
    return identityOf(name, stats);
  }

  async *list(
    prefix: string,
    { after, recursive, signal }: ListOptions,
  ): AsyncGenerator<Listed, void, undefined> {
    const { device } = this.#root;
    const from = after === undefined ? [] : parsePosition(after);
    const directory = await this.#atEntry(parsePrefix(prefix), (parent, entry) =>
      openPrefix(parent, entry, prefix, device),
    );
    const scope = {
      recursive,
      device,
      share: this.#listingShare,
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      yield* listingOf(directory, prefix, scope, from);
    } finally {
      await directory.close();
    }
  }

  /**
   * Uploads into this directory and deletes from it; close them before the store.
   *
   * @throws TransferError INVALID_CONFIG when the directory of unfinished uploads cannot be used, or
   *   another server uses it.
   */
  openUploads(options: UploadOptions): Promise<UploadStore> {
    return this.#rootUse.use(() => openLocalUploads(this.#root, this.#rootUse, options));
  }

  /** Refuses further calls; resolves when those under way have ended. Open files stay readable, but not verifiable. */
  close(): Promise<void> {
    return this.#rootUse.close();
  }

  /** Runs `use` at the entry that `components` lead to; every error leaves as a TransferError. */
  #atEntry<T>(
    components: readonly string[],
    use: (parent: Directory, entry: string) => Promise<T>,
  ): Promise<T> {
    return this.#rootUse.use(async () => {
      const { directory } = this.#root;
      try {
        return await inParentOf(directory, components, use);
      } catch (reason) {
        const error = toStorageError(reason, components.join('/'));
        throw error.code === 'NOT_FOUND' ? await withSuggestion(error, directory, components) : error;
      }
    });
  }
}
