/**
 * Pages of a directory in the order of the seam: by the bytes of names. The bucket
 * sorts whole keys, in which a directory has a '/' behind its name:
 *
 *   bucket   foo-bar  foo.txt  foo/  foo0        the seam   foo/  foo-bar  foo.txt  foo0
 *
 * Only a directory whose name the last key of a page begins with can belong into
 * that page and come on a later one. Those are asked for by name.
 */
import type { Bucket, ListedObject, ListedPage } from '../bucket.ts';

/** The bucket, as far as listings need it. */
export type Pages = Pick<Bucket, 'page' | 'hasAny'>;

/** Something in a directory. */
export interface PageEntry {
  /** The name in the directory as bytes (Latin-1), by which entries are sorted. */
  readonly raw: string;
  /** undefined: there are only keys below it. */
  readonly object?: ListedObject | undefined;
  readonly isDirectory: boolean;
}

export interface SortedPage {
  readonly entries: readonly PageEntry[];
  /** The directory has something: at least its marker. */
  readonly isFound: boolean;
  /** Asks for the rest; undefined behind the last page. */
  readonly token: string | undefined;
}

/** The bytes of a text, a character for each. */
function rawOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** The text of such bytes; what is no UTF-8 in them is replaced. */
export function textOfRaw(raw: string): string {
  return Buffer.from(raw, 'latin1').toString();
}

/**
 * A page of the directory whose keys begin with `prefix`.
 *
 * @param after the last entry of the page before, or where the listing goes on; undefined: from the start
 * @param token of the page before; undefined: begins behind `after`
 */
export async function readPage(
  bucket: Pages,
  prefix: string,
  after: string | undefined,
  token: string | undefined,
  signal: AbortSignal | undefined,
): Promise<SortedPage> {
  const begin = token === undefined && after !== undefined ? prefix + textOfRaw(after) : undefined;
  const page = await bucket.page(prefix, { after: begin, token, signal });
  const entries = entriesOf(page, prefix);
  if (page.token !== undefined) {
    for (const raw of directoriesTo(lastOf(page, prefix))) {
      const isWanted = after === undefined || raw > after;
      if (isWanted && (await bucket.hasAny(`${prefix}${textOfRaw(raw)}/`, signal)))
        addDirectory(entries, raw);
    }
  }
  return {
    // A directory of an earlier page comes again where its key is.
    entries: [...entries.values()]
      .filter(({ raw }) => after === undefined || raw > after)
      .sort((a, b) => (a.raw < b.raw ? -1 : 1)),
    isFound: page.objects.length + page.prefixes.length > 0,
    token: page.token,
  };
}

function entriesOf({ objects, prefixes }: ListedPage, prefix: string): Map<string, PageEntry> {
  const entries = new Map<string, PageEntry>();
  for (const object of objects) {
    const raw = rawOf(object.key.slice(prefix.length));
    // The marker of the directory itself.
    if (object.key !== prefix) entries.set(raw, { raw, object, isDirectory: false });
  }
  for (const directory of prefixes) addDirectory(entries, rawOf(directory.slice(prefix.length, -1)));
  return entries;
}

function addDirectory(entries: Map<string, PageEntry>, raw: string): void {
  entries.set(raw, { ...entries.get(raw), raw, isDirectory: true });
}

/** What the last key of a page has behind `prefix`. */
function lastOf({ objects, prefixes }: ListedPage, prefix: string): string {
  const lasts = [objects.at(-1)?.key ?? prefix, prefixes.at(-1) ?? prefix];
  return (
    lasts
      .map((key) => rawOf(key.slice(prefix.length)))
      .sort()
      .at(-1) ?? ''
  );
}

/** The names that sort before the key `last`, and whose own keys sort behind it. */
function* directoriesTo(last: string): Generator<string, void, undefined> {
  for (let end = 1; end <= last.length; end++) {
    const next = last[end];
    if (next === undefined ? !last.endsWith('/') : next < '/') {
      const raw = last.slice(0, end);
      // Half of a character is no name.
      if (rawOf(textOfRaw(raw)) === raw) yield raw;
    }
  }
}
