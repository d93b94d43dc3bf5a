/**
 * Listing of a directory: sorted, depth first, a directory before its content.
 * Shows exactly what a peer may open or list by name. Holds one descriptor and
 * the names of one directory for each level, never the whole tree; a level is
 * at most `MAX_NAME_DEPTH` deep, because deeper names are not good names.
 */
import { lstat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../base/errors.ts';
import type { Directory } from './directory.ts';
import { type DirectoryListing, openListing } from './directory-listing.ts';
import { entryOfName, entryOfRaw, nameOfEntry } from './entry-name.ts';
import { identityOf } from './file-identity.ts';
import { toStorageError } from './io-error.ts';
import type { ListOptions, StoreEntry } from './store.ts';

/** Entries looked at together: enough to keep libuv's four threads busy between two turns of the event loop. */
const STAT_CONCURRENCY = 16;

/** An entry of the tree with one of these is gone, was swapped or is not for us; the listing goes on without it. */
const SKIPPED_ERRNOS: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'ESTALE',
  'EACCES',
  'EPERM',
]);

export interface ListingScope extends ListOptions {
  /** Entries on other devices are not shown. */
  readonly device: bigint;
}

/** What is in `listing`, the directory `prefix`; leaves it open. */
export async function* entriesOf(
  listing: DirectoryListing,
  prefix: string,
  scope: ListingScope,
): AsyncGenerator<StoreEntry, void, undefined> {
  const { directory, rawEntries } = listing;
  for (let index = 0; index < rawEntries.length; index += STAT_CONCURRENCY) {
    throwIfAborted(scope.signal);
    const rawBatch = rawEntries.slice(index, index + STAT_CONCURRENCY);
    const batch = await Promise.all(rawBatch.map((rawEntry) => lookAt(directory, prefix, rawEntry, scope)));
    for (const entry of batch) {
      if (entry === undefined) continue;
      throwIfAborted(scope.signal);
      yield entry;
      if (entry.isDirectory && scope.recursive) yield* entriesBelow(directory, entry.name, scope);
    }
  }
}

async function* entriesBelow(
  parent: Directory,
  name: string,
  scope: ListingScope,
): AsyncGenerator<StoreEntry, void, undefined> {
  const listing = await skipping(name, () => openListing(parent, entryOfName(name)));
  if (listing === undefined) return;
  try {
    yield* entriesOf(listing, name, scope);
  } finally {
    await listing.directory.close();
  }
}

async function lookAt(
  directory: Directory,
  prefix: string,
  rawEntry: string,
  scope: ListingScope,
): Promise<StoreEntry | undefined> {
  const entry = entryOfRaw(rawEntry);
  if (entry === undefined) return undefined;
  const name = nameOfEntry(prefix, entry);
  if (name === undefined) return undefined;
  const stats = await skipping(name, () => lstat(directory.pathOf(entry), { bigint: true }));
  if (stats === undefined || stats.dev !== scope.device) return undefined;
  if (stats.isFile()) return { ...identityOf(name, stats), isDirectory: false };
  if (!stats.isDirectory()) return undefined;
  return { name, isDirectory: true, size: 0, modifiedMs: Number(stats.mtimeMs), version: '' };
}

/** What `look` finds at `name`; undefined for what a listing passes over. */
async function skipping<T>(name: string, look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (reason) {
    if (SKIPPED_ERRNOS.has(errnoOf(reason))) return undefined;
    throw toStorageError(reason, name);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof TransferError) throw signal.reason;
  throw new TransferError('CANCELLED', 'the listing was cancelled', { cause: signal.reason });
}
