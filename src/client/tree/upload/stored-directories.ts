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

export class StoredDirectories {
  readonly #client: TreeClient;
  readonly #signal: AbortSignal;
  /** A server that cannot makes the directories of files all the same, and those alone. */
  #canMake = true;

  constructor(client: TreeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Why the directory is not there now; undefined when it is, or will be with the first file in it. */
  async make(
    { isEmpty = false, name }: LocalFile,
    { mode }: Stats,
    stored: ListEntry | undefined,
  ): Promise<TransferError | undefined> {
    // The root of a store is always there.
    if (name === '' || stored?.isDirectory === true) return undefined;
    try {
      if (this.#canMake) {
        const filled = isEmpty ? mode : mode | OWNER_WRITES;
        await this.#client.makeDirectory(name, { mode: filled, signal: this.#signal });
        return undefined;
      }
    } catch (reason) {
      const error = TransferError.from(reason);
      if (error.code === 'CANCELLED') throw error;
      if (!isEmpty && MET_BY_CONTENT.has(error.code)) return undefined;
      if (error.code !== 'UNIMPLEMENTED') return error;
      this.#canMake = false;
    }
    return isEmpty ? new TransferError('INCOMPLETE', 'the server makes no empty directories') : undefined;
  }
}
