/**
 * One version of a file of the local store, held open. The descriptor keeps the
 * content of a removed or replaced file readable; `verifyUnchanged` detects that
 * the name means another file.
 */
import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { RefCountedResource } from '../../base/async/ref-counted-resource.ts';
import { TransferError } from '../../base/errors.ts';
import { type EntryStats, entryStatsOf } from '../../base/files/entry-stats.ts';
import type { Descriptor } from '../byte-source.ts';
import { quoteName } from '../quoted-name.ts';
import type { FileIdentity, OpenFile, StoreOpenOptions } from '../store.ts';
import { closeDescriptor } from './descriptor.ts';
import type { Root } from './directory.ts';
import { inParentOf } from './directory-walk.ts';
import { changeBetween } from './file-identity.ts';
import { readErrorOf, toStorageError } from './io-error.ts';
import { fileObstacle } from './obstacle.ts';
import type { OpenRegularFile } from './regular-file.ts';
import type { HeldRoot } from './served-root.ts';
import type { HashedFile } from './versions/digests.ts';
import type { Versions } from './versions/versions.ts';

export class LocalFile implements OpenFile {
  identity: FileIdentity;
  readonly source: Descriptor;
  readonly #components: readonly string[];
  readonly #openedStats: BigIntStats;
  readonly #look: EntryStats;
  readonly #root: Root;
  readonly #versions: Versions;
  /** Of the store: the root stays open while a name is walked. */
  readonly #rootUse: RefCountedResource;
  readonly #descriptorUse: RefCountedResource;

  /** Takes over the descriptor of `file`. */
  constructor(
    components: readonly string[],
    file: OpenRegularFile,
    { root, use }: HeldRoot,
    versions: Versions,
  ) {
    const { fd, stats } = file;
    const name = components.join('/');
    this.#look = entryStatsOf(stats);
    this.identity = versions.identityOf(name, this.#look);
    this.source = { kind: 'descriptor', fd, errorOf: (errno, cause) => readErrorOf(errno, name, cause) };
    this.#components = components;
    this.#openedStats = stats;
    this.#root = root;
    this.#rootUse = use;
    this.#versions = versions;
    this.#descriptorUse = new RefCountedResource('the file', () => closeDescriptor(fd));
  }

  /** Gives the identity the version that is asked for, or told to who asks for none. Throws as `Digests.of`. */
  async identify(options: StoreOpenOptions): Promise<this> {
    const version = await this.#versions.ofOpen(this.#hashed, options);
    this.identity = { ...this.#versions.identityOf(this.identity.name, this.#look), version };
    return this;
  }

  /** Gives the identity its digest. Throws as `Digests.of`. */
  async addDigest(signal?: AbortSignal): Promise<this> {
    await this.#versions.computed(this.#hashed, signal);
    this.identity = this.#versions.identityOf(this.identity.name, this.#look);
    return this;
  }

  get #hashed(): HashedFile {
    return { name: this.identity.name, fd: this.source.fd, look: this.#look, use: this.#descriptorUse };
  }

  async verifyUnchanged(): Promise<void> {
    try {
      await this.#rootUse.use(() => this.#descriptorUse.use(() => this.#verify()));
    } catch (reason) {
      throw toStorageError(reason, this.identity.name);
    }
  }

  close(): Promise<void> {
    return this.#descriptorUse.close();
  }

  /**
   * One look by name is enough: the descriptor keeps the inode from being reused,
   * so the same inode under the name is the same file.
   */
  async #verify(): Promise<void> {
    const stats = await this.#statByName();
    const change = changeBetween(this.#openedStats, stats);
    if (change === undefined) return;
    const isServed = fileObstacle(stats, this.#root.device) === undefined;
    throw this.#changed(
      change,
      isServed ? this.#versions.of(this.identity.name, entryStatsOf(stats)) : undefined,
    );
  }

  async #statByName(): Promise<BigIntStats> {
    try {
      return await inParentOf(this.#root.directory, this.#components, (parent, entry) =>
        lstat(parent.pathOf(entry), { bigint: true }),
      );
    } catch (reason) {
      const error = toStorageError(reason, this.identity.name);
      if (error.code === 'NOT_FOUND') throw this.#changed('was removed', undefined, error);
      if (error.code === 'NOT_A_FILE') throw this.#changed('was replaced', undefined, error);
      throw error;
    }
  }

  #changed(change: string, version: string | undefined, cause?: unknown): TransferError {
    const remedy =
      version === undefined ? 'list the directory to see what there is' : 'start over with the new version';
    const message = `${quoteName(this.identity.name)} ${change} during the transfer; ${remedy}`;
    return new TransferError('FILE_CHANGED', message, version === undefined ? { cause } : { cause, version });
  }
}
