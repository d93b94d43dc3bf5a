/**
 * A store as one caller may see it. Each name is decided here, in its canonical
 * form, before anything is opened; so a call, a request of an Exchange and a file
 * of a pack are decided by the same line.
 *
 * What may not be read is refused alike whether it is there or not, and what may
 * not be listed is left out as if it were not there.
 */
import { TransferError } from '../base/errors.ts';
import { nameFault, parseName, parsePrefix } from '../storage/name.ts';
import { openPack } from '../storage/pack-by-opening.ts';
import { quoteName } from '../storage/quoted-name.ts';
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
} from '../storage/store.ts';
import type { Guard } from './guard.ts';

export class GuardedStore implements Store {
  readonly #store: Store;
  readonly #guard: Guard;

  constructor(store: Store, guard: Guard) {
    this.#store = store;
    this.#guard = guard;
  }

  async open(name: string, options?: StoreOpenOptions): Promise<OpenFile> {
    this.#guard.require('read', name);
    return await withoutHint(name, this.#store.open(name, options));
  }

  async stat(name: string, options?: StoreStatOptions): Promise<FileIdentity> {
    this.#guard.require('read', name);
    return await withoutHint(name, this.#store.stat(name, options));
  }

  /** A file that may not be read is as one that is not there. */
  async openPack(files: readonly PackedFile[]): Promise<OpenPack> {
    return await openPack(
      this.#store,
      files.map((file) => (this.#mayRead(file.fileName) ? file : { ...file, fileName: NO_NAME })),
    );
  }

  /** A directory that leads to something that may be listed may be listed so far. */
  async *list(prefix: string, options: StoreListOptions): AsyncGenerator<Listed, void, undefined> {
    const guard = this.#guard;
    if (!guard.mayLook(parsePrefix(prefix))) throw guard.refusal('list', prefix);
    const enters = (directory: string) => guard.mayLook(directory.split('/'));
    const listing = this.#store.list(prefix, { ...options, enters })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await withoutHint(prefix, Promise.resolve(listing.next()));
        if (next.done === true) return;
        if (this.#isShown(next.value)) yield next.value;
      }
    } finally {
      await listing.return?.();
    }
  }

  /** Whoever made the store closes it. */
  async close(): Promise<void> {}

  #isShown({ entry, omitted }: Listed): boolean {
    const name = (entry?.name ?? omitted?.shownName ?? '').split('/');
    return this.#guard.may('list', name) || (entry?.isDirectory === true && this.#guard.mayLook(name));
  }

  #mayRead(name: string): boolean {
    if (nameFault(name) !== undefined || this.#guard.may('read', parseName(name))) return true;
    this.#guard.refusal('read', name);
    return false;
  }
}

/** What no file has. */
export const NO_NAME = '';

/** A store may say which name was probably meant: that of a file which the caller may know nothing of. */
async function withoutHint<Result>(name: string, result: Promise<Result>): Promise<Result> {
  try {
    return await result;
  } catch (reason) {
    const { code } = TransferError.from(reason);
    if (code !== 'NOT_FOUND') throw reason;
    const what = name === '' ? 'root' : quoteName(name);
    throw new TransferError(code, `there is no ${what}; list the directory to see what there is`, {
      cause: reason,
    });
  }
}
