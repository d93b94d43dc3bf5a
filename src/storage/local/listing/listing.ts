/**
 * Listing of a directory: sorted, depth first, a directory before its content.
 * Yields entries that a peer may open or list by name, and those left out. Holds
 * one descriptor and a bounded part of the names of one directory for each level,
 * never the whole tree; there are at most `MAX_NAME_DEPTH` levels, because deeper
 * names are invalid.
 */
import { constants } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { errnoOf, TransferError } from '../../../base/errors.ts';
import { type EntryStats, entryStatsOf, type FailedCall } from '../../../base/files/entry-stats.ts';
import { LIST_BATCH_BYTES, MAX_NAME_COMPONENT_BYTES, MAX_NAME_DEPTH } from '../../../base/limits.ts';
import { entryOfRaw } from '../../entry-name.ts';
import { isReserved, nameFault } from '../../name.ts';
import { quoteName } from '../../quoted-name.ts';
import { shownName } from '../../shown-name.ts';
import type { Listed, OmissionReason, StoreListOptions } from '../../store.ts';
import type { Directory } from '../directory.ts';
import { toStorageError } from '../io-error.ts';
import { directoryObstacle } from '../obstacle.ts';
import type { Versions } from '../versions/versions.ts';
import type { ListingShare } from './listing-share.ts';
import { omissionOf } from './omission.ts';
import { sortedNames, throwIfAborted } from './sorted-names.ts';

/** Concurrent looks from here: enough to keep libuv's four threads busy between two turns of the event loop. */
const STAT_CONCURRENCY = 16;

const PERMISSION_BITS = 0o7777;

type Look = EntryStats | FailedCall;

export interface ListingScope extends Pick<StoreListOptions, 'enters' | 'look' | 'recursive' | 'signal'> {
  /** Entries on other devices are not shown. */
  readonly device: bigint;
  readonly share: ListingShare;
  readonly versions: Versions;
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

/** Names of entries of the directory `name` that are held and looked at together; all of them fit a message. */
function batchNames(name: string): number {
  return Math.max(STAT_CONCURRENCY, Math.floor(LIST_BATCH_BYTES / (name.length + MAX_NAME_COMPONENT_BYTES)));
}

/** Throws system errors of this directory, never those of one below. */
async function* contentOf(
  level: Level,
  scope: ListingScope,
  [first, ...rest]: readonly string[],
): AsyncGenerator<Listed, void, undefined> {
  // A resumed listing continues inside the directory where it was interrupted.
  if (first !== undefined && scope.recursive && rest[0] !== '') {
    const [listed] = await lookAt(level, [first], scope);
    if (listed?.entry?.isDirectory === true)
      yield* contentBelow(level, listed.entry.name, first, scope, rest);
  }
  const { share } = scope;
  const { directory, name } = level;
  for await (const rawEntries of sortedNames(directory, first, share, batchNames(name), scope.signal)) {
    for (const [index, listed] of (await lookAt(level, rawEntries, scope)).entries()) {
      if (listed === undefined) continue;
      throwIfAborted(scope.signal);
      yield listed;
      if (
        listed.entry?.isDirectory === true &&
        scope.recursive &&
        scope.enters?.(listed.entry.name) !== false
      )
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

/** An entry that its name lets in. */
interface Candidate {
  readonly entry: string;
  readonly name: string;
  readonly position: string;
  /** From the root, as the disk has it. */
  readonly rawName: string;
}

/** What there is to tell of each; undefined for what is gone, and for the server's own files. */
async function lookAt(
  level: Level,
  rawEntries: readonly string[],
  scope: ListingScope,
): Promise<(Listed | undefined)[]> {
  const found = rawEntries.map((rawEntry) => judgeName(level, rawEntry));
  const paths = found.flatMap((each) =>
    each !== undefined && 'rawName' in each ? [level.directory.pathOf(each.entry)] : [],
  );
  const looks = (await looksAt(paths, scope)).values();
  return found.map((each) =>
    each !== undefined && 'rawName' in each ? listedOf(each, looks.next().value as Look, scope) : each,
  );
}

/** Undefined for the server's own files, which are not listed. */
function judgeName(
  { name: prefix, position: parentPosition }: Level,
  rawEntry: string,
): Candidate | Listed | undefined {
  const position = parentPosition + rawEntry;
  const rawName = prefix === '' ? rawEntry : `${rawNameOf(prefix)}/${rawEntry}`;
  const entry = entryOfRaw(rawEntry);
  if (entry === undefined) return leftOut(rawName, position, 'BAD_NAME');
  if (isReserved(entry)) return undefined;
  const name = prefix === '' ? entry : `${prefix}/${entry}`;
  if (nameFault(name) === undefined) return { entry, name, position, rawName };
  return leftOut(rawName, position, name.split('/').length > MAX_NAME_DEPTH ? 'TOO_DEEP' : 'BAD_NAME');
}

/** By threads, as long as one takes the job. */
async function looksAt(
  paths: readonly string[],
  { look = async () => [], share, signal }: ListingScope,
): Promise<readonly Look[]> {
  const looks: Look[] = [];
  while (looks.length < paths.length) {
    throwIfAborted(signal);
    const rest = paths.slice(looks.length);
    const some = await share.batches.run(async () => {
      const byThread = await look(rest);
      return byThread.length > 0 ? byThread : Promise.all(rest.slice(0, STAT_CONCURRENCY).map(lookFromHere));
    });
    looks.push(...some);
  }
  return looks;
}

async function lookFromHere(path: string): Promise<Look> {
  try {
    return entryStatsOf(await lstat(path, { bigint: true }));
  } catch (reason) {
    return { errno: errnoOf(reason) ?? 'UNKNOWN' };
  }
}

function listedOf(
  { name, position, rawName }: Candidate,
  look: Look,
  { device, versions }: ListingScope,
): Listed | undefined {
  if ('errno' in look) {
    const cause = Object.assign(new Error(`lstat: ${look.errno}`), { code: look.errno });
    const omitted = omissionOf(rawName, cause);
    return omitted === undefined ? undefined : { omitted, position };
  }
  const type = look.mode & constants.S_IFMT;
  if (type === constants.S_IFLNK) return leftOut(rawName, position, 'SYMBOLIC_LINK');
  if (look.dev !== device) return leftOut(rawName, position, 'OTHER_FILE_SYSTEM');
  const isDirectory = type === constants.S_IFDIR;
  if (!isDirectory && type !== constants.S_IFREG) return leftOut(rawName, position, 'SPECIAL_FILE');
  const { mode, modifiedMs, size } = look;
  const content = isDirectory ? { size: 0, version: '' } : { size, version: versions.of(name, look) };
  return { entry: { name, isDirectory, ...content, modifiedMs, mode: mode & PERMISSION_BITS }, position };
}

function leftOut(rawName: string, position: string, reason: OmissionReason): Listed {
  return { omitted: { shownName: shownName(rawName), reason }, position };
}

function rawNameOf(name: string): string {
  return Buffer.from(name).toString('latin1');
}
