/**
 * What threads do for a store that writes a pack: the same few system calls for
 * many files, one after the other, so that the event loop makes none for each.
 * The store decides what comes when; nothing here is durable by itself.
 *
 * A path is good while the store holds what it leads through. Results are in the
 * order of what was given. All calls reject with `TransferError` only, and one
 * call of a pack is made at a time.
 */
import type { EntryStats, FailedCall } from '../base/files/entry-stats.ts';

/** What is at a path. */
export interface FoundEntry {
  readonly stats: EntryStats;
  /** The name with upper and lower case swapped leads to the same inode. */
  readonly hasOtherSpelling: boolean;
}

/** A file to make, where there is none. */
export interface NewFile {
  readonly path: string;
  /** The half-open range `[start, end)` of the pack's content. */
  readonly start: number;
  readonly end: number;
  /** Whose permission bits and owner it gets, as far as that is permitted. */
  readonly replaces?: EntryStats;
  /** Permission bits, instead of those. */
  readonly mode?: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs?: number;
}

export interface MadeFile {
  readonly ino: bigint;
}

/** A file to be named. */
export interface FileToName {
  readonly from: string;
  readonly to: string;
  /** Of the file, so that a second try sees what the first one did. */
  readonly ino: bigint;
  /** The identity (`EntryStats`) that was seen under the name; null for nothing. */
  readonly found: string | null;
  /** Never replace anything. */
  readonly isNew: boolean;
}

/** 'changed': there is something else under the name than was found; nothing was done. */
export type Naming = 'named' | 'changed';

export interface PackJobs {
  /** Bytes of the content before compression. */
  readonly size: number;
  /** What is at each path; null for nothing. */
  look(paths: readonly string[]): Promise<readonly (FoundEntry | FailedCall | null)[]>;
  /**
   * Checks and decompresses the content, and writes each file whole. Of one that fails nothing is left.
   *
   * @throws TransferError CHECKSUM_MISMATCH when the content is not what was sent; then no file was made.
   */
  write(files: readonly NewFile[]): Promise<readonly (MadeFile | FailedCall)[]>;
  /** Gives each file its name, and takes the one it had. */
  name(files: readonly FileToName[]): Promise<readonly (Naming | FailedCall)[]>;
  /**
   * The content, checked and decompressed, for a store that makes no files.
   *
   * @throws TransferError CHECKSUM_MISMATCH when it is not what was sent.
   */
  read(): Promise<Uint8Array>;
}
