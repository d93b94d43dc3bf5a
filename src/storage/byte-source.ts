/**
 * How bytes are reached, once a store has opened what has them: by a descriptor
 * that worker threads use themselves, by names that they open themselves, or by
 * asynchronous calls of the store from and into the memory of a slab. Only the
 * store knows what its errors mean.
 */
import { TransferError } from '../base/errors.ts';

/** A descriptor that worker threads may `pread`, or `pwrite`, until whoever offered it is closed. */
export interface Descriptor {
  readonly kind: 'descriptor';
  readonly fd: number;
  /** What an error of a system call on the descriptor, such as `EIO`, means to a peer. `cause` is for logs. */
  errorOf(errno: string, cause?: unknown): TransferError;
}

/** A store that is asked for the bytes. */
export interface Reader {
  readonly kind: 'reader';
  /**
   * Fills `target` with the bytes from `offset` on. Reads of one file run at the same time.
   *
   * Settles once nobody writes to `target` any more, soon after `signal` aborts; until then the memory is
   * not used for anything else. The store bounds how long a read takes. A file may be closed while
   * aborted reads are still ending.
   *
   * @returns how many bytes were read: fewer than asked for only where the file ends
   * @throws TransferError
   */
  read(target: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<number>;
}

/** A store that is given the bytes. */
export interface Writer {
  readonly kind: 'writer';
  /**
   * Writes all of `bytes` at `offset`. Writes of one upload run at the same time, and never to the same bytes.
   *
   * Settles once nobody reads `bytes` any more and nothing more of them will come into the file, soon after
   * `signal` aborts; the upload's writer stays open until then. The store bounds how long a write takes.
   *
   * @throws TransferError
   */
  write(bytes: Uint8Array<SharedArrayBuffer>, offset: number, signal: AbortSignal): Promise<void>;
}

/** Many small files as one sequence of bytes, which worker threads gather themselves. */
export interface FilePack {
  readonly kind: 'pack';
  /** What a worker has to know for the `bytes` bytes from `offset` on, which are at least one. */
  slice(offset: number, bytes: number): PackSlice;
  /** How many files that piece has a part of. */
  filesIn(offset: number, bytes: number): number;
}

/**
 * A piece of a pack, as it travels to a worker. For each file the pack has one
 * byte, then as many as its declared size; the piece may begin and end anywhere.
 */
export interface PackSlice {
  /** The directory that names begin at, open while the pack is. */
  readonly root: {
    readonly path: string;
    /** 'descriptor': of a descriptor below /proc. 'path': its own, without a link in it. */
    readonly kind: 'descriptor' | 'path';
    /** `st_dev` of every file that is served. */
    readonly device: bigint;
    readonly isStampedPrecisely: boolean;
  };
  /** Index in the pack of the first file. */
  readonly firstFile: number;
  /** Bytes of the first file, its leading one included, that come before the piece. */
  readonly skipBytes: number;
  /** Checked; '' where the name is no good one. The arrays are of one length. */
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly versions: readonly string[];
}

/** Where the bytes of an open file come from. */
export type FileSource = Descriptor | Reader;

/** Where the bytes of an open file, or of a pack, come from. */
export type ByteSource = FileSource | FilePack;

/** Where the bytes of an upload go. */
export type ByteSink = Descriptor | Writer;

/** A pack said of a file that it is as asked, and cannot keep its word. */
export function packedFileChanged(): TransferError {
  return new TransferError(
    'FILE_CHANGED',
    'a file of the pack changed while a part of it was sent; ask again for the files that did not arrive',
  );
}
