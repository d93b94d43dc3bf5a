/** A listing of files that are held by their whole names; directories are what their names go through, and those that were made. */
import { TransferError } from '../../../src/base/errors.ts';
import { parsePosition } from '../../../src/storage/listing-position.ts';
import { parsePrefix } from '../../../src/storage/name.ts';
import type { FileIdentity, Listed, StoreEntry, StoreListOptions } from '../../../src/storage/store.ts';

/** What is below `prefix`, as `Store.list` has it. */
export function* listingOf(
  files: readonly FileIdentity[],
  directories: readonly StoreEntry[],
  prefix: string,
  { after = new Uint8Array(0), recursive, signal }: StoreListOptions,
): Generator<Listed, void, undefined> {
  const position = parsePosition(after);
  const { length: depth } = parsePrefix(prefix);
  if (files.some(({ name }) => name === prefix)) {
    throw new TransferError('NOT_A_FILE', `${prefix} is a file`);
  }
  const isBelow = ({ name }: { name: string }) => prefix === '' || name.startsWith(`${prefix}/`);
  const below = files.filter(isBelow);
  const made = directories.filter(isBelow);
  const isThere = prefix === '' || below.length > 0 || directories.some(({ name }) => name === prefix);
  if (!isThere) throw new TransferError('NOT_FOUND', `there is no ${prefix}`);
  for (const { path, entry } of sortedEntries(below, made, depth)) {
    signal?.throwIfAborted();
    const isSeen = position.length > 0 && !isBehind(path, position);
    if (!isSeen && (recursive || path.length === 1)) yield { entry, position: path.join('/') };
  }
}

/** Each entry once, by its way from the prefix (Latin-1, as positions have it). */
function sortedEntries(
  files: readonly FileIdentity[],
  directories: readonly StoreEntry[],
  depth: number,
): { path: readonly string[]; entry: StoreEntry }[] {
  const entries = new Map<string, StoreEntry>();
  for (const file of files) {
    const components = file.name.split('/');
    for (let end = depth + 1; end < components.length; end++) {
      const name = components.slice(0, end).join('/');
      entries.set(name, { name, isDirectory: true, size: 0, modifiedMs: 1e12, version: '' });
    }
    entries.set(file.name, { ...file, isDirectory: false });
  }
  for (const directory of directories) entries.set(directory.name, directory);
  const paths = Array.from(entries.values(), (entry) => ({
    path: entry.name.split('/').slice(depth).map(rawOf),
    entry,
  }));
  return paths.sort((a, b) => compare(a.path, b.path));
}

function rawOf(component: string): string {
  return Buffer.from(component).toString('latin1');
}

function compare(a: readonly string[], b: readonly string[]): number {
  for (const [index, component] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (component !== other) return component < other ? -1 : 1;
  }
  return a.length - b.length;
}

/** Behind the entry that the position names; where it ends in '/', behind its content too. */
function isBehind(path: readonly string[], position: readonly string[]): boolean {
  if (position.at(-1) !== '') return compare(path, position) > 0;
  const directory = position.slice(0, -1);
  return compare(path.slice(0, directory.length), directory) > 0;
}
