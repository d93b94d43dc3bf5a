/**
 * A local directory with the files and directories below it, sorted as a server lists
 * them: by the bytes of their names, each directory before its content. Holds
 * the names of one directory for each level.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { lstatSync, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TransferError } from '../../../base/errors.ts';
import { readError } from '../../local-error.ts';
import type { LeftOut } from '../plan/left-out.ts';
import { isStagingName } from '../staging.ts';

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
  for (const rawEntry of rawEntries) {
    const file = lookAt(path, name, rawEntry, leftOut);
    if (file === undefined) continue;
    if ('isDirectory' in file.found && file.found.isDirectory())
      yield* entriesOfTree(file.path, file.name, file.found, leftOut);
    else yield file;
  }
}

/** One of thousands: a look in another thread costs ten times as much. */
function lookAt(
  directory: string,
  prefix: string,
  rawEntry: string,
  leftOut: LeftOut,
): LocalFile | undefined {
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
    const stats = lstatSync(path);
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
