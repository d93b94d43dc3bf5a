/**
 * Access to the bytes of a file that a store has opened: by a descriptor that
 * worker threads use themselves, or by asynchronous calls of the store from and
 * into the memory of a slab. Only the store knows what its errors mean.
 */
import type { TransferError } from '../base/errors.ts';

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

/** Where the bytes of an open file come from. */
export type ByteSource = Descriptor | Reader;

/** Where the bytes of an upload go. */
export type ByteSink = Descriptor | Writer;
