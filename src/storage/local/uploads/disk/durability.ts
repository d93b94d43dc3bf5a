/**
 * The syncs of uploads, all of them: what they cover survives a power cut. With
 * the policy `none` they do nothing; the order of all other calls is the same,
 * so a killed process loses nothing then either.
 */
import { constants } from 'node:fs';
import { Semaphore } from '../../../../base/async/semaphore.ts';
import type { Counters } from '../../../../base/counters/counters.ts';
import { cannotSyncDirectory } from '../../../../base/files/directory-sync.ts';
import type { Directory } from '../../directory.ts';
import { type FileSystem, withDescriptor } from './file-system.ts';

/** The size of libuv's thread pool, which all file operations share. */
const THREADS = Number(process.env.UV_THREADPOOL_SIZE) || 4;

/** Leaves two threads for other operations. Otherwise as many as possible: a file system commits waiting syncs together. */
const SYNCS_AT_ONCE = Math.max(1, THREADS - 2);

export class Durability {
  readonly #fs: FileSystem;
  readonly #counters: Counters;
  readonly #syncs = new Semaphore(SYNCS_AT_ONCE);
  /** Whether anything is synced at all. */
  readonly isOn: boolean;

  constructor(fs: FileSystem, isOn: boolean, counters: Counters) {
    this.#fs = fs;
    this.isOn = isOn;
    this.#counters = counters;
  }

  /** Makes the bytes and the size of a file durable. Never retried: after a failure the kernel forgets the lost pages. */
  async data(fd: number): Promise<void> {
    if (this.isOn) await this.#sync(() => this.#fs.fdatasync(fd));
  }

  /** Makes mode, owner and times of a file durable. */
  async attributes(fd: number): Promise<void> {
    if (this.isOn) await this.#sync(() => this.#fs.fsync(fd));
  }

  /** Makes all of the closed file `path` durable. */
  async file(path: string): Promise<void> {
    if (!this.isOn) return;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
    await withDescriptor(this.#fs, path, flags, (fd) => this.#sync(() => this.#fs.fsync(fd)));
  }

  /** Makes everything durable on the file system of the directory `path`. */
  async fileSystem(path: string): Promise<void> {
    if (!this.isOn) return;
    await this.#timed(() => this.#fs.syncFileSystem(path));
  }

  /** Makes the entries of a directory durable. */
  async directory(directory: Directory): Promise<void> {
    if (!this.isOn) return;
    const flags = constants.O_RDONLY | constants.O_DIRECTORY;
    await withDescriptor(this.#fs, directory.pathOf('.'), flags, (fd) =>
      this.#sync(() => this.#syncEntries(fd)),
    );
  }

  #sync(run: () => Promise<void>): Promise<void> {
    return this.#syncs.run(() => this.#timed(run));
  }

  async #timed(run: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    this.#counters.uploadSyncs.add(1);
    try {
      await run();
    } finally {
      this.#counters.storageSeconds.observe((performance.now() - startMs) / 1000, 'sync');
    }
  }

  async #syncEntries(fd: number): Promise<void> {
    try {
      await this.#fs.fsync(fd);
    } catch (reason) {
      if (!cannotSyncDirectory(reason)) throw reason;
    }
  }
}
