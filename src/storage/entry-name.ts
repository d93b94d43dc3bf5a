/**
 * The names in a directory of a local disk, which may be any bytes. They are
 * read as Latin-1, one character for each byte: such strings are small, sort in
 * the byte order of UTF-8, and lose nothing of a name that is not UTF-8.
 */
import { isUtf8 } from 'node:buffer';
import { nameFault } from './name.ts';

/** The entry that `readdir` gave as `rawEntry` (Latin-1); undefined when it is not UTF-8. */
export function entryOfRaw(rawEntry: string): string | undefined {
  const bytes = Buffer.from(rawEntry, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The name of `entry` in the directory `prefix`; undefined when no peer could ask for it. */
export function nameOfEntry(prefix: string, entry: string): string | undefined {
  const name = prefix === '' ? entry : `${prefix}/${entry}`;
  return nameFault(name) === undefined ? name : undefined;
}
