/**
 * The seam between a transfer and the target of its bytes. A transfer writes
 * verified chunks in order, and pauses while the sink is full.
 */
import type { TransferError } from '../../../base/errors.ts';
import type { FileInfo } from '../../../wire/messages.ts';

export interface SinkListener {
  /** The sink was full and takes bytes again. */
  onDrained(): void;
  /** The sink takes nothing any more: the transfer ends with this error. */
  onFailed(error: TransferError): void;
}

export interface Sink {
  /** Bytes can be taken back: `rewind` works. */
  readonly isRewindable: boolean;
  /** The sink needs the running CRC-32 even when the caller does not verify. */
  readonly needsCrc32: boolean;
  /** No `write` until `onDrained`. A chunk in flight is still taken. */
  readonly isFull: boolean;
  /** Set by the transfer before the first write; called later, never from inside `write`. */
  listener: SinkListener | undefined;

  /** The file all following bytes belong to; its version is empty when the server tells none. */
  begin(file: FileInfo): void;
  /**
   * Takes the next bytes and owns them from then on.
   * @param crc32 of the whole range up to the end of these bytes, or 0 when nobody computes it
   */
  write(bytes: Uint8Array, crc32: number): void;
  /** Forgets everything after the first `bytes` bytes of the range, whose CRC-32 is `crc32`. */
  rewind(bytes: number, crc32: number): Promise<void>;
  /** All bytes were written; resolves when they are where they should be. Rejects with a TransferError. */
  finish(bytes: number): Promise<void>;
  /** The transfer failed; keeps what can be resumed and frees everything else. Never rejects. */
  abandon(error: TransferError): Promise<void>;
}
