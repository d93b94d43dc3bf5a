/**
 * The seam to storage. Nothing above it knows whether the bytes are in a local
 * directory or elsewhere. Names are checked behind it, once, for every RPC:
 * they arrive as a peer sent them, and `parseName` refuses bad ones.
 */

import type { EntryStats, FailedCall } from '../base/files/entry-stats.ts';
import type { ByteSource, FileSource } from './byte-source.ts';

/** A file's content at one moment. */
export interface FileIdentity {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Opaque; equal exactly when the content is the same. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** Permission bits (07777); absent where the store has none. */
  readonly mode?: number;
  /** SHA-256 of the content, `sha256:` and 64 hexadecimal digits; absent where it is not known. */
  readonly digest?: string;
}

/** A file or directory in a listing. */
export interface StoreEntry {
  /** The whole name from the root of the store. */
  readonly name: string;
  readonly isDirectory: boolean;
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** Empty for a directory. */
  readonly version: string;
  /** As in `FileIdentity`; of directories too. */
  readonly mode?: number;
}

/** One version of a file, held open. The opener closes it, after the last job that reads it has ended. */
export interface OpenFile {
  readonly identity: FileIdentity;
  /** Its bytes, until `close`. */
  readonly source: FileSource;
  /**
   * Throws FILE_CHANGED when the content is not that of `identity` any more:
   * written to, truncated, replaced or removed under its name. A store whose reads are each
   * pinned to that version has nothing left to check, unless it keeps a checksum of the content.
   *
   * @param crc32 CRC-32 of the whole content as it was read; absent where a part was read, or nobody computed it.
   *   Throws DATA_LOSS where the store keeps another one.
   */
  verifyUnchanged(crc32?: number): Promise<void>;
  /** Closes once; safe to call twice. */
  close(): Promise<void>;
}

/** A file that is wanted in a pack, as a listing told of it. */
export interface PackedFile {
  readonly fileName: string;
  /** Bytes: a safe integer, not negative. */
  readonly size: number;
  readonly version: string;
}

/**
 * Many files as one sequence of bytes: for each one byte, then `size` bytes. The
 * byte is 0 where these are the content of the version asked for; otherwise it is
 * 1, and they are zeros. Nothing that is wrong with one file is an error of the
 * pack, but for one that is no longer what a byte before said: FILE_CHANGED.
 */
export interface OpenPack {
  /** Bytes in all. */
  readonly size: number;
  /** Its bytes, until `close`. */
  readonly source: ByteSource;
  /** Closes once; safe to call twice. */
  close(): Promise<void>;
}

export type OmissionReason =
  | 'UNREADABLE'
  | 'SYMBOLIC_LINK'
  | 'SPECIAL_FILE'
  | 'BAD_NAME'
  | 'TOO_DEEP'
  | 'OTHER_FILE_SYSTEM';

/** Something that is there, and that a listing leaves out. */
export interface Omission {
  /** For people: not to be asked for. */
  readonly shownName: string;
  readonly reason: OmissionReason;
}

/** One thing that a listing tells of: an entry, or something that it leaves out. */
export interface Listed {
  readonly entry?: StoreEntry;
  readonly omitted?: Omission;
  /**
   * Where the listing is behind it, in a form of the store's own: short, of characters below
   * U+0100. A peer that lost the listing sends it back as `after`.
   */
  readonly position: string;
}

/**
 * Looks at `paths` through no link, in a thread: at as many of the first as a millisecond or two allows, and at one at
 * least. None where no thread takes the job: then the store looks by itself. A path is good while the store holds what
 * it leads through. Does not reject.
 */
export type LookAtEntries = (paths: readonly string[]) => Promise<readonly (EntryStats | FailedCall)[]>;

/** What a file is opened for. */
export interface StoreOpenOptions {
  /**
   * A version that is asked for; a store may have several forms of one. Where the file has it, the identity has it in
   * just this form; otherwise in any. Empty: none.
   */
  ifMatch?: string;
  /** Aborts when nobody waits any more; its reason is thrown then. */
  signal?: AbortSignal;
}

/** What is to be told of a file. */
export interface StoreStatOptions {
  /** Its digest too, where the store can compute it. Default: only where it is known. */
  digest?: boolean;
  /** Aborts when nobody waits any more; its reason is thrown then. */
  signal?: AbortSignal;
}

/** What a listing is asked for. */
export interface StoreListOptions {
  /** What is in the directories below it, too. */
  recursive: boolean;
  /**
   * List what comes behind this position of an earlier listing, a byte for each of its characters; empty: from the
   * start. It comes from a peer, and may be anything.
   */
  after?: Uint8Array;
  /** For a store that has its entries in directories of this machine; default: no thread takes jobs. */
  look?: LookAtEntries;
  /** Whether anything in this directory is wanted: where it is false, a store may leave out what is in it. */
  enters?: (directory: string) => boolean;
  /** Aborts when nobody wants the rest. */
  signal?: AbortSignal;
}

/**
 * Where the files of a server are. Its methods are called for many files at
 * once. All throw `TransferError`: INVALID_NAME, NOT_FOUND, NOT_A_FILE,
 * PERMISSION_DENIED, RESOURCE_EXHAUSTED (out of descriptors), DATA_LOSS; anything
 * else becomes INTERNAL. Peers read the messages, so they name the file and the
 * remedy, and nothing of the server.
 */
export interface Store {
  /** Opens the version that is there now. The caller closes it. */
  open(name: string, options?: StoreOpenOptions): Promise<OpenFile>;
  /** The version that is there now. */
  stat(name: string, options?: StoreStatOptions): Promise<FileIdentity>;
  /** Default: by `open`. The store may be closed behind the last pack only. */
  openPack?(files: readonly PackedFile[]): Promise<OpenPack>;
  /**
   * What is below `prefix` ('' is the root), sorted by the bytes of names in each directory, directories before
   * their content. In bounded memory, whatever the size of a directory. Throws INVALID_ARGUMENT for a bad position, NOT_FOUND where there is no such directory.
   */
  list(prefix: string, options: StoreListOptions): AsyncIterable<Listed>;
  /** Whether files can be reached now, for readiness probes; without it they always can. Throws why not. */
  checkReachable?(): Promise<void>;
  /** Called by whoever made the store, behind the last call. */
  close(): Promise<void>;
}
