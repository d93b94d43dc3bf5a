/**
 * A local directory with the files and directories below it, sorted as a server lists
 * them: by the bytes of their names, each directory before its content. Holds
 * the names of one directory for each level.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TransferError } from '../../base/errors.ts';
import { readError } from '../../client/local-error.ts';
import { isStagingName } from '../../client/tree/staging.ts';
import type { LeftOut } from './left-out.ts';

/** Concurrent stats: enough to keep libuv's four threads busy. */
const STAT_CONCURRENCY = 16;

export interface LocalFile {
  path: string;
  /** Below the name that the tree gets on the server. */
  name: string;
  /** The stats of the file, or why the file or directory cannot be read. */
  found: Stats | TransferError;
  /** Of a directory: nothing is in it. */
  isEmpty?: boolean;
}

/** The directory `path`, which is called `name` on the server, and what is in it. Symbolic links and what is no file go to `leftOut`. */
export async function* entriesOfTree(
  path: string,
  name: string,
  found: Stats,
  leftOut: LeftOut,
): AsyncGenerator<LocalFile, void, undefined> {
  let rawEntries: string[];
  try {
    // latin1 maps each byte to one character: small, sorted as UTF-8, and lossless for names that are not UTF-8.
    rawEntries = (await readdir(path, 'latin1')).sort();
  } catch (cause) {
    yield { path, name, found: readError('cannot read', path, cause) };
    return;
  }
  yield { path, name, found, isEmpty: rawEntries.length === 0 };
  for (let index = 0; index < rawEntries.length; index += STAT_CONCURRENCY) {
    const batch = rawEntries.slice(index, index + STAT_CONCURRENCY);
    for (const file of await Promise.all(batch.map((rawEntry) => lookAt(path, name, rawEntry, leftOut)))) {
      if (file === undefined) continue;
      if ('isDirectory' in file.found && file.found.isDirectory())
        yield* entriesOfTree(file.path, file.name, file.found, leftOut);
      else yield file;
    }
  }
}

async function lookAt(
  directory: string,
  prefix: string,
  rawEntry: string,
  leftOut: LeftOut,
): Promise<LocalFile | undefined> {
  const bytes = Buffer.from(rawEntry, 'latin1');
  if (!isUtf8(bytes)) {
    leftOut.add(join(directory, rawEntry.replace(/[\x80-\xff]/g, escapedByte)), 'OMISSION_BAD_NAME');
    return undefined;
  }
  const entry = bytes.toString('utf8');
  if (isStagingName(entry)) return undefined;
  const path = join(directory, entry);
  const name = prefix === '' ? entry : `${prefix}/${entry}`;
  try {
    const stats = await lstat(path);
    if (stats.isFile() || stats.isDirectory()) return { path, name, found: stats };
    leftOut.add(path, stats.isSymbolicLink() ? 'OMISSION_SYMBOLIC_LINK' : 'OMISSION_SPECIAL_FILE');
    return undefined;
  } catch (cause) {
    return { path, name, found: readError('cannot read', path, cause) };
  }
}

function escapedByte(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
