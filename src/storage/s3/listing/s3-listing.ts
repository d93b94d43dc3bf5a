/**
 * Listing of a bucket: sorted, depth first, a directory before its content. Each
 * directory on the way holds one page; where all listings hold too much, a page
 * is dropped before what is below one of its entries is listed, and asked for again.
 */
import { MAX_NAME_DEPTH } from '../../../base/limits.ts';
import { nameOfEntry } from '../../entry-name.ts';
import { isReserved } from '../../name.ts';
import { shownName } from '../../shown-name.ts';
import type { Listed, OmissionReason, StoreListOptions } from '../../store.ts';
import type { PageShare } from './page-share.ts';
import { type PageEntry, type Pages, readPage, type SortedPage, textOfRaw } from './sorted-page.ts';

/** A directory that is being listed. */
interface Level {
  /** From the root, '' for the root itself. */
  readonly name: string;
  /** What the keys in it begin with. */
  readonly keyPrefix: string;
  /** Its position, with a '/' at the end; '' for the directory that the listing began with. */
  readonly position: string;
}

/** How far the listing of a directory is. */
interface Place {
  /** The last entry; undefined: none yet. */
  last: string | undefined;
  /** Behind the last entry that a position can name. */
  behind: string;
  /** Asks for the next page; undefined: that begins behind `last`. */
  token: string | undefined;
  isMore: boolean;
}

/** Components of keys that no position has; what comes of them is told at the position before. */
const UNSPEAKABLE: ReadonlySet<string> = new Set(['', '.', '..']);

export class S3Listing {
  /** The directory that the listing began with is there. */
  isFound = false;
  readonly #bucket: Pages;
  readonly #share: PageShare;
  readonly #options: StoreListOptions;

  constructor(bucket: Pages, share: PageShare, options: StoreListOptions) {
    this.#bucket = bucket;
    this.#share = share;
    this.#options = options;
  }

  /** What is in the directory `name`, whose keys begin with `keyPrefix`, behind a position (from `parsePosition`). */
  async *below(
    name: string,
    keyPrefix: string,
    after: readonly string[],
  ): AsyncGenerator<Listed, void, undefined> {
    yield* this.#content({ name, keyPrefix, position: '' }, after);
  }

  async *#content(
    level: Level,
    [first, ...rest]: readonly string[],
  ): AsyncGenerator<Listed, void, undefined> {
    const { recursive, signal } = this.#options;
    // A resumed listing continues inside the directory where it was interrupted.
    if (first !== undefined && recursive && rest[0] !== '' && isGood(level, first)) {
      yield* this.#content(levelBelow(level, first), rest);
    }
    const place: Place = {
      last: first,
      behind: first === undefined ? level.position.slice(0, -1) : level.position + first,
      token: undefined,
      isMore: true,
    };
    while (place.isMore) {
      const page = await readPage(this.#bucket, level.keyPrefix, place.last, place.token, signal);
      if (level.position === '' && (page.isFound || first !== undefined)) this.isFound = true;
      yield* this.#entries(level, page, place);
    }
  }

  /** The entries of a page, with what is in them. */
  async *#entries(
    level: Level,
    { entries, token }: SortedPage,
    place: Place,
  ): AsyncGenerator<Listed, void, undefined> {
    place.token = token;
    place.isMore = token !== undefined;
    const release = this.#share.hold(entries);
    try {
      for (const entry of entries) {
        this.#options.signal?.throwIfAborted();
        place.last = entry.raw;
        if (!UNSPEAKABLE.has(entry.raw)) place.behind = level.position + entry.raw;
        yield* listedOf(level, entry, place.behind);
        if (!this.#enters(level, entry)) continue;
        const isDropped = this.#share.isExceeded;
        if (isDropped) release();
        yield* this.#content(levelBelow(level, entry.raw), []);
        place.behind += '/';
        if (!isDropped) continue;
        place.token = undefined;
        place.isMore = true;
        return;
      }
    } finally {
      release();
    }
  }

  #enters(level: Level, { raw, isDirectory }: PageEntry): boolean {
    const { enters, recursive } = this.#options;
    return isDirectory && recursive && isGood(level, raw) && enters?.(levelBelow(level, raw).name) !== false;
  }
}

function levelBelow(level: Level, raw: string): Level {
  const text = textOfRaw(raw);
  return {
    name: level.name === '' ? text : `${level.name}/${text}`,
    keyPrefix: `${level.keyPrefix}${text}/`,
    position: `${level.position}${raw}/`,
  };
}

/** A peer can ask for the entry by its name. */
function isGood({ name }: Level, raw: string): boolean {
  return nameOfEntry(name, textOfRaw(raw)) !== undefined;
}

function* listedOf(
  level: Level,
  { raw, object, isDirectory }: PageEntry,
  position: string,
): Generator<Listed, void, undefined> {
  const { name } = levelBelow(level, raw);
  if (isReserved(textOfRaw(raw))) return;
  if (!isGood(level, raw)) {
    yield leftOut(name, position, name.split('/').length > MAX_NAME_DEPTH ? 'TOO_DEEP' : 'BAD_NAME');
    return;
  }
  if (isDirectory) {
    yield { entry: { name, isDirectory, size: 0, modifiedMs: 0, version: '' }, position };
    // Its name is that of the directory.
    if (object !== undefined) yield leftOut(name, position, 'BAD_NAME');
    return;
  }
  if (object === undefined) return;
  const { modifiedMs, size, version } = object;
  yield { entry: { name, isDirectory, size, modifiedMs, version }, position };
}

function leftOut(name: string, position: string, reason: OmissionReason): Listed {
  return { omitted: { shownName: shownName(Buffer.from(name).toString('latin1')), reason }, position };
}
