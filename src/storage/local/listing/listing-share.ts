/**
 * What all listings of a store share: memory for names, and time of the event
 * loop and the disk. However many listings are read at once, or are not read,
 * they hold no more than `LISTING_NAMES_BYTES` and a little for each.
 */
import { Semaphore } from '../../../base/async/semaphore.ts';
import { LISTING_NAMES_BYTES } from '../../../base/limits.ts';

/** Of all listings; each takes the event loop a millisecond or two. */
const CONCURRENT_BATCHES = 2;

/** Directories whose names are read at the same time: each open one holds 48 KiB of libc and libuv, which no limit counts. */
const READERS = 64;

/** The most for one directory: a quarter of a million short names. */
const MAX_BYTES = LISTING_NAMES_BYTES / 4;

/** For a directory when nothing is left. The deepest name then holds 64 KiB, its share of `MIN_LISTING_BYTES`. */
const MIN_BYTES = 1024;

export class ListingShare {
  readonly batches = new Semaphore(CONCURRENT_BATCHES);
  /** Held from the opening of a directory to the last of its names, over many batches. */
  readonly readers = new Semaphore(READERS);
  #freeBytes: number;

  constructor(bytes: number = LISTING_NAMES_BYTES) {
    this.#freeBytes = bytes;
  }

  /** What is left; below 0 by the little that each directory gets in any case. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Bytes for the names of one directory, to be given back: less when many want some. */
  take(): number {
    const bytes = Math.max(MIN_BYTES, Math.min(MAX_BYTES, Math.floor(this.#freeBytes / 4)));
    this.#freeBytes -= bytes;
    return bytes;
  }

  giveBack(bytes: number): void {
    this.#freeBytes += bytes;
  }
}
