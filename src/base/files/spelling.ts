/**
 * Names that differ only in case, on file systems that ignore case: a file or
 * directory under another spelling must not be replaced or mixed with the one
 * that was named.
 */
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';

/** How the file system answers. Both throw system errors. */
export interface Lookups {
  lstat(path: string): Promise<Pick<Stats, 'dev' | 'ino'>>;
  readdir(path: string): Promise<string[]>;
}

const NODE_LOOKUPS: Lookups = { lstat, readdir };

/** The other spelling may be no valid name, for instance too long. */
const NOTHING_THERE: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENAMETOOLONG',
  'EINVAL',
  'EILSEQ',
]);

/** How the last component of `path` is spelled in its directory, if it is there under another spelling only. Throws system errors. */
export async function otherSpelling(
  path: string,
  lookups: Lookups = NODE_LOOKUPS,
): Promise<string | undefined> {
  const name = basename(path);
  const swapped = swapCase(name);
  if (swapped === name) return undefined;
  const found = await statsOf(path, lookups);
  const other = found && (await statsOf(join(dirname(path), swapped), lookups));
  if (other === undefined || found?.ino !== other.ino || found.dev !== other.dev) return undefined;
  // Both spellings lead to one inode: mostly because the file system ignores case, rarely because of two links.
  const entries = await lookups.readdir(dirname(path));
  return entries.includes(name)
    ? undefined
    : entries.find((entry) => entry.toLowerCase() === name.toLowerCase());
}

/** Upper-case letters for lower-case ones, and the other way round. */
export function swapCase(name: string): string {
  return name.replace(/\p{L}/gu, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );
}

async function statsOf(path: string, lookups: Lookups): Promise<Pick<Stats, 'dev' | 'ino'> | undefined> {
  try {
    return await lookups.lstat(path);
  } catch (reason) {
    if (NOTHING_THERE.has(errnoOf(reason))) return undefined;
    throw reason;
  }
}
