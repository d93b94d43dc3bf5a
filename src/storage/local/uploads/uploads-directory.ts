/**
 * The directory of unfinished uploads: `.sluice-uploads` in the root, which no
 * name of a peer can reach and no listing shows. Only its owner may enter, so
 * partial files can have the final permissions. It is made when the first upload
 * starts.
 */
import { Mutex } from '../../../base/async/mutex.ts';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import type { Directory, Root } from '../directory.ts';
import type { Durability } from './disk/durability.ts';
import type { FileSystem } from './disk/file-system.ts';
import { toWriteError } from './disk/write-error.ts';
import { type UploadEntryKind, uploadEntry } from './upload-id.ts';

const ENTRY = '.sluice-uploads';
const OWNER_ONLY = 0o700;

export class UploadsDirectory {
  readonly #fs: FileSystem;
  readonly #root: Root;
  readonly #durability: Durability;
  readonly #mutex = new Mutex();
  #directory: Directory | undefined;
  /** Kept open to the end: a path in use must not come to mean another directory. */
  readonly #removed: Directory[] = [];

  constructor(fs: FileSystem, root: Root, durability: Durability) {
    this.#fs = fs;
    this.#root = root;
    this.#durability = durability;
  }

  /** Whether there is one already: without it there are no uploads. */
  async openIfThere(): Promise<boolean> {
    return await this.#mutex.run(async () => {
      try {
        await this.#letGoOfRemoved();
        this.#directory ??= await this.#enter();
        return true;
      } catch (reason) {
        if (errnoOf(reason) === 'ENOENT') return false;
        throw reason;
      }
    });
  }

  /** Opens it, made before where it is missing. */
  async open(): Promise<void> {
    if (await this.openIfThere()) return;
    await this.#mutex.run(async () => {
      if (this.#directory !== undefined) return;
      try {
        await this.#fs.mkdir(this.#root.directory.pathOf(ENTRY), OWNER_ONLY);
      } catch (reason) {
        if (errnoOf(reason) !== 'EEXIST') throw toWriteError(reason, ENTRY);
      }
      await this.#durability.directory(this.#root.directory);
      this.#directory = await this.#enter();
    });
  }

  /** A path for one system call; see `Directory.pathOf`. */
  pathOf(id: string, kind: UploadEntryKind): string {
    return this.pathOfEntry(uploadEntry(id, kind));
  }

  /** The same for any of its entries; '.' is the directory itself. */
  pathOfEntry(entry: string): string {
    return this.#opened().pathOf(entry);
  }

  /** The names in it, ours or not. */
  async entries(): Promise<string[]> {
    return await this.#fs.readdir(this.#opened().pathOf('.'));
  }

  /** Makes what was made, renamed and removed in it durable. */
  async sync(): Promise<void> {
    await this.#durability.directory(this.#opened());
  }

  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      const directory = this.#directory;
      this.#directory = undefined;
      await directory?.close();
      for (const removed of this.#removed.splice(0)) await removed.close();
    });
  }

  #opened(): Directory {
    if (this.#directory === undefined)
      throw new TransferError('UNAVAILABLE', 'the store of uploads is closed');
    return this.#directory;
  }

  /** An administrator may have removed the directory: nothing can be created in one without a name. */
  async #letGoOfRemoved(): Promise<void> {
    const directory = this.#directory;
    if (directory === undefined || (await this.#isThere(directory))) return;
    this.#directory = undefined;
    this.#removed.push(directory);
  }

  async #isThere(directory: Directory): Promise<boolean> {
    try {
      return (await this.#fs.lstat(directory.pathOf('.'))).nlink > 0n;
    } catch (reason) {
      if (errnoOf(reason) === 'ENOENT') return false;
      throw reason;
    }
  }

  async #enter(): Promise<Directory> {
    const directory = await this.#root.directory.enter(ENTRY);
    try {
      const { dev } = await this.#fs.lstat(directory.pathOf('.'));
      if (dev === this.#root.device) return directory;
      throw new TransferError(
        'INVALID_CONFIG',
        `${ENTRY} is on another file system than the root of the store; unmount it`,
      );
    } catch (reason) {
      await directory.close();
      throw reason;
    }
  }
}
