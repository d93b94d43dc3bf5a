/**
 * The directories of a tree that is sent: each made on the server before what is
 * in it, so that it has its mode from its first moment. What is there already
 * keeps its mode.
 */
import type { Stats } from 'node:fs';
import { type ErrorCode, TransferError } from '../../../base/errors.ts';
import type { ListEntry } from '../../../wire/messages.ts';
import type { TreeClient } from '../tree-client.ts';
import type { LocalFile } from './local-tree.ts';

/** What the server needs to put files into a directory. */
const OWNER_WRITES = 0o700;

/** What is in the directory fails for the same reason, each by its own name. */
const MET_BY_CONTENT: ReadonlySet<ErrorCode> = new Set(['INVALID_NAME', 'NOT_A_FILE', 'PERMISSION_DENIED']);

/** Directories that are made at the same time: the server waits for its disk with each, and for all of them at once. */
const MAKING_AT_ONCE = 8;

/** A directory that was not made. */
export interface DirectoryFailure {
  /** Here. */
  readonly path: string;
  readonly error: TransferError;
}

export class StoredDirectories {
  readonly #client: TreeClient;
  readonly #signal: AbortSignal;
  /** By name. They do not reject. */
  readonly #making = new Map<string, Promise<void>>();
  #failures: DirectoryFailure[] = [];
  /** A server that cannot makes the directories of files all the same, and those alone. */
  #canMake = true;

  constructor(client: TreeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Begins to make a directory, behind the one that it is in. Resolves when another may be begun. */
  async begin(directory: LocalFile, stats: Stats, stored: ListEntry | undefined): Promise<void> {
    const { name, path } = directory;
    // The root of a store is always there.
    if (name === '' || stored?.isDirectory === true) return;
    const making = this.#make(directory, stats, this.parentOf(name)).then((error) => {
      this.#making.delete(name);
      if (error !== undefined) this.#failures.push({ path, error });
    });
    this.#making.set(name, making);
    if (this.#making.size >= MAKING_AT_ONCE) await Promise.race(this.#making.values());
  }

  /** Resolves when the directory that `name` is in was made, or could not be; undefined when there is none to wait for. */
  parentOf(name: string): Promise<void> | undefined {
    return this.#making.get(name.slice(0, Math.max(0, name.lastIndexOf('/'))));
  }

  /** Resolves when none is being made. */
  async made(): Promise<void> {
    await Promise.all(this.#making.values());
  }

  /** Those since the last call. */
  takeFailures(): readonly DirectoryFailure[] {
    return this.#failures.length === 0 ? this.#failures : this.#failures.splice(0);
  }

  /** Why the directory is not there now; undefined when it is, or will be with the first file in it. */
  async #make(
    { isEmpty = false, name }: LocalFile,
    { mode }: Stats,
    parent: Promise<void> | undefined,
  ): Promise<TransferError | undefined> {
    await parent;
    try {
      if (this.#canMake) {
        const filled = isEmpty ? mode : mode | OWNER_WRITES;
        await this.#client.makeDirectory(name, { mode: filled, signal: this.#signal });
        return undefined;
      }
    } catch (reason) {
      // The plan ends, and says why.
      if (this.#signal.aborted) return undefined;
      const error = TransferError.from(reason);
      if (!isEmpty && MET_BY_CONTENT.has(error.code)) return undefined;
      if (error.code !== 'UNIMPLEMENTED') return error;
      this.#canMake = false;
    }
    return isEmpty ? new TransferError('INCOMPLETE', 'the server makes no empty directories') : undefined;
  }
}
