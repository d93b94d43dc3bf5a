/**
 * Merges a listing of the server with a walk of local files: both are in the
 * same order, so each is read once and neither is held.
 */
import { type ErrorCode, TransferError } from '../../../base/errors.ts';
import type { ListEntry } from '../../../wire/messages.ts';
import { entriesOf } from '../plan/entries.ts';
import type { TreeClient } from '../tree-client.ts';

/** Sending would fail with these too; after any other failure everything is sent. */
const THROWN: ReadonlySet<ErrorCode> = new Set(['CANCELLED', 'UNAVAILABLE', 'UNAUTHENTICATED']);

export class StoredEntries {
  readonly #entries: AsyncGenerator<ListEntry, void, undefined>;
  #current: ListEntry | undefined;
  #currentKey = '';
  #hasEnded = false;

  constructor(client: TreeClient, name: string, signal: AbortSignal) {
    this.#entries = entriesOf(client, name, { recursive: true, signal });
  }

  /**
   * The file or directory `name`, if the server has it. Each call names one behind that of the call before it. From a
   * server that lists in another order some are not found.
   */
  async find(name: string): Promise<ListEntry | undefined> {
    const key = orderKey(name);
    while (!this.#hasEnded && this.#currentKey < key) await this.#next();
    return this.#currentKey === key ? this.#current : undefined;
  }

  async close(): Promise<void> {
    this.#hasEnded = true;
    await this.#entries.return();
  }

  async #next(): Promise<void> {
    try {
      const { done, value } = await this.#entries.next();
      if (done === true) this.#hasEnded = true;
      else {
        this.#current = value;
        this.#currentKey = orderKey(value.name);
      }
    } catch (reason) {
      const error = TransferError.from(reason);
      if (THROWN.has(error.code)) throw error;
      this.#hasEnded = true;
    }
  }
}

/** Sorts as listings do: by bytes, the content of a directory before names that only begin like it. */
function orderKey(name: string): string {
  return Buffer.from(name).toString('latin1').replaceAll('/', '\0');
}
