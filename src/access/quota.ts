/** How much may be stored below one name: what is there, and what unfinished uploads are going to add. */
import { TransferError } from '../base/errors.ts';
import type { Store } from '../storage/store.ts';

export interface QuotaRule {
  /** A canonical name; the quota holds for the file of that name and all below. */
  readonly on: string;
  readonly files?: number | undefined;
  readonly bytes?: number | undefined;
}

/** A change of what is stored. */
export interface Change {
  readonly files: number;
  readonly bytes: number;
}

export class Quota {
  readonly rule: QuotaRule;
  /** Resolves when it was counted once; files that others add are seen by the next count. */
  counted: Promise<void> = Promise.resolve();
  #files = 0;
  #bytes = 0;
  /** What unfinished uploads are going to add, by their ids. */
  readonly #pending = new Map<string, Change>();

  readonly #openIds: () => ReadonlySet<string>;

  /** @param openIds the ids of all unfinished uploads */
  constructor(rule: QuotaRule, openIds: () => ReadonlySet<string>) {
    this.rule = rule;
    this.#openIds = openIds;
  }

  covers(name: string): boolean {
    return name === this.rule.on || name.startsWith(`${this.rule.on}/`);
  }

  /** Counts anew. Rejects when the store cannot be listed. */
  count(store: Store): Promise<void> {
    this.counted = this.#count(store);
    return this.counted;
  }

  /**
   * Throws QUOTA_EXCEEDED where `change` does not fit beside what is stored and pending.
   *
   * @param id of the upload that makes the change
   */
  require(change: Change, id?: string): void {
    if (this.#excessOf(change, id) === undefined) return;
    // Uploads that expired or were discarded add nothing any more.
    const open = this.#openIds();
    for (const pendingId of this.#pending.keys()) if (!open.has(pendingId)) this.#pending.delete(pendingId);
    const excess = this.#excessOf(change, id);
    if (excess !== undefined) throw exceeded(this.rule.on, excess);
  }

  #excessOf(change: Change, id: string | undefined): string | undefined {
    let files = this.#files + change.files;
    let bytes = this.#bytes + change.bytes;
    for (const [pendingId, pending] of this.#pending) {
      if (pendingId === id) continue;
      files += pending.files;
      bytes += pending.bytes;
    }
    const { bytes: mostBytes, files: mostFiles } = this.rule;
    if (change.files > 0 && mostFiles !== undefined && files > mostFiles) return `${mostFiles} files`;
    return change.bytes > 0 && mostBytes !== undefined && bytes > mostBytes
      ? `${mostBytes} bytes`
      : undefined;
  }

  /** An upload is going to make `change`; replaces what it was said to make before. */
  expect(id: string, change: Change): void {
    this.#pending.set(id, change);
  }

  /** The upload adds nothing any more; false when that was known. */
  forget(id: string): boolean {
    return this.#pending.delete(id);
  }

  add({ bytes, files }: Change): void {
    this.#files += files;
    this.#bytes += bytes;
  }

  async #count(store: Store): Promise<void> {
    let files = 0;
    let bytes = 0;
    try {
      for await (const { entry } of store.list(this.rule.on, { recursive: true })) {
        if (entry === undefined || entry.isDirectory) continue;
        files += 1;
        bytes += entry.size;
      }
    } catch (reason) {
      const { code } = TransferError.from(reason);
      if (code !== 'NOT_FOUND' && code !== 'NOT_A_FILE') throw reason;
    }
    this.#files = files;
    this.#bytes = bytes;
  }
}

export function inverse({ bytes, files }: Change): Change {
  return { files: -files, bytes: -bytes };
}

function exceeded(on: string, what: string): TransferError {
  return new TransferError(
    'QUOTA_EXCEEDED',
    `"${on}" may hold ${what}; delete some, or ask the operator of the server for more`,
  );
}
