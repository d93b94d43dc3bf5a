/**
 * Listing of a directory: sorted, depth first, a directory before its content.
 * Yields entries that a peer may open or list by name, and those left out. Holds
 * one descriptor and a bounded part of the names of one directory for each level,
 * never the whole tree; there are at most `MAX_NAME_DEPTH` levels, because deeper
 * names are invalid.
 */
import { lstat } from 'node:fs/promises';
import { TransferError } from '../../../base/errors.ts';
import { MAX_NAME_DEPTH } from '../../../base/limits.ts';
import { entryOfRaw } from '../../entry-name.ts';
import { isReserved, nameFault } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import type { Listed, OmissionReason, StoreListOptions } from '../../store.ts';
import type { Directory } from '../directory.ts';
import { identityOf, modeOf } from '../file-identity.ts';
import { toStorageError } from '../io-error.ts';
import { directoryObstacle } from '../obstacle.ts';
import type { ListingShare } from './listing-share.ts';
import { omissionOf, shownName } from './omission.ts';
import { sortedNames, throwIfAborted } from './sorted-names.ts';

/** Concurrent stats: enough to keep libuv's four threads busy between two turns of the event loop. */
const STAT_CONCURRENCY = 16;

export interface ListingScope extends Pick<StoreListOptions, 'recursive' | 'signal'> {
  /** Entries on other devices are not shown. */
  readonly device: bigint;
  readonly share: ListingShare;
}

interface Level {
  readonly directory: Directory;
  /** Its name from the root, '' for the root itself. */
  readonly name: string;
  /** Its position, with a '/' at the end; '' for the directory that the listing began with. */
  readonly position: string;
}

/**
 * Opens the directory `entry` of `parent`, which a peer asked for as `prefix`.
 *
 * @throws TransferError NOT_A_FILE when it cannot be listed, and system errors.
 */
export async function openPrefix(
  parent: Directory,
  entry: string,
  prefix: string,
  device: bigint,
): Promise<Directory> {
  const obstacle = directoryObstacle(await lstat(parent.pathOf(entry), { bigint: true }), device);
  if (obstacle !== undefined) throw new TransferError('NOT_A_FILE', `${quoteName(prefix)} ${obstacle}`);
  return await parent.enter(entry);
}

/**
 * What is in `directory`, which is called `prefix`, behind the position `after`
 * (from `parsePosition`); leaves it open. Throws TransferError.
 */
export async function* listingOf(
  directory: Directory,
  prefix: string,
  scope: ListingScope,
  after: readonly string[],
): AsyncGenerator<Listed, void, undefined> {
  try {
    yield* contentOf({ directory, name: prefix, position: '' }, scope, after);
  } catch (reason) {
    throw toStorageError(reason, prefix);
  }
}

/** Throws system errors of this directory, never those of one below. */
async function* contentOf(
  level: Level,
  scope: ListingScope,
  [first, ...rest]: readonly string[],
): AsyncGenerator<Listed, void, undefined> {
  // A resumed listing continues inside the directory where it was interrupted.
  if (first !== undefined && scope.recursive && rest[0] !== '') {
    const listed = await lookAt(level, first, scope);
    if (listed?.entry?.isDirectory === true)
      yield* contentBelow(level, listed.entry.name, first, scope, rest);
  }
  const { share } = scope;
  for await (const rawEntries of sortedNames(level.directory, first, share, STAT_CONCURRENCY, scope.signal)) {
    throwIfAborted(scope.signal);
    const batch = await share.batches.run(() =>
      Promise.all(rawEntries.map((rawEntry) => lookAt(level, rawEntry, scope))),
    );
    for (const [index, listed] of batch.entries()) {
      if (listed === undefined) continue;
      throwIfAborted(scope.signal);
      yield listed;
      if (listed.entry?.isDirectory === true && scope.recursive)
        yield* contentBelow(level, listed.entry.name, rawEntries[index] as string, scope, []);
    }
  }
}

async function* contentBelow(
  parent: Level,
  name: string,
  rawEntry: string,
  scope: ListingScope,
  after: readonly string[],
): AsyncGenerator<Listed, void, undefined> {
  const position = `${parent.position}${rawEntry}/`;
  let directory: Directory | undefined;
  try {
    directory = await parent.directory.enter(entryOfRaw(rawEntry) as string);
    yield* contentOf({ directory, name, position }, scope, after);
  } catch (reason) {
    if (reason instanceof TransferError) throw reason;
    const omitted = omissionOf(rawNameOf(name), reason);
    if (omitted !== undefined) yield { omitted, position };
  } finally {
    await directory?.close();
  }
}

async function lookAt(
  { directory, name: prefix, position: parentPosition }: Level,
  rawEntry: string,
  { device }: ListingScope,
): Promise<Listed | undefined> {
  const position = parentPosition + rawEntry;
  const rawName = () => (prefix === '' ? rawEntry : `${rawNameOf(prefix)}/${rawEntry}`);
  const leftOut = (reason: OmissionReason): Listed => ({
    omitted: { shownName: shownName(rawName()), reason },
    position,
  });
  const entry = entryOfRaw(rawEntry);
  // The server's own files are not listed.
  if (entry !== undefined && isReserved(entry)) return undefined;
  const name = prefix === '' ? entry : `${prefix}/${entry}`;
  if (entry === undefined || name === undefined) return leftOut('BAD_NAME');
  if (nameFault(name) !== undefined)
    return leftOut(name.split('/').length > MAX_NAME_DEPTH ? 'TOO_DEEP' : 'BAD_NAME');
  try {
    const stats = await lstat(directory.pathOf(entry), { bigint: true });
    if (stats.isSymbolicLink()) return leftOut('SYMBOLIC_LINK');
    if (stats.dev !== device) return leftOut('OTHER_FILE_SYSTEM');
    if (stats.isFile()) return { entry: { ...identityOf(name, stats), isDirectory: false }, position };
    if (!stats.isDirectory()) return leftOut('SPECIAL_FILE');
    const modifiedMs = Number(stats.mtimeMs);
    const mode = modeOf(stats);
    return { entry: { name, isDirectory: true, size: 0, modifiedMs, version: '', mode }, position };
  } catch (reason) {
    const omitted = omissionOf(rawName(), reason);
    return omitted === undefined ? undefined : { omitted, position };
  }
}

function rawNameOf(name: string): string {
  return Buffer.from(name).toString('latin1');
}
