/**
 * The seam between a transfer and the target of its bytes. A call writes verified
 * chunks in order, and pauses while the sink is full.
 */
import type { TransferError } from '../../../base/errors.ts';
import type { FileInfo } from '../../../wire/messages.ts';

export interface SinkListener {
  /** The sink was full and takes bytes again. */
  onDrained(): void;
  /** The sink takes nothing any more: the transfer ends with this error. */
  onFailed(error: TransferError): void;
}

/** Where the chunks of one call go. */
export interface ChunkSink {
  /** The sink needs CRC-32s even when the caller does not verify. */
  readonly needsCrc32: boolean;
  /** No `write` until `onDrained`. A chunk in flight is still taken. */
  readonly isFull: boolean;
  /** The file all following bytes belong to; its version is empty when the server tells none. */
  begin(file: FileInfo): void;
  /**
   * Takes the next bytes and owns them from then on.
   * @param crc32 of these bytes, or 0 when nobody computes it
   */
  write(bytes: Uint8Array, crc32: number): void;
}

interface Target {
  readonly needsCrc32: boolean;
  readonly isFull: boolean;
  /** Set by the transfer before the first write; called later, never from inside `write`. */
  listener: SinkListener | undefined;
  /** All bytes were written; resolves when they are where they should be. Rejects with a TransferError. */
  finish(bytes: number): Promise<void>;
  /** The transfer failed; keeps what can be resumed and frees everything else. Never rejects. */
  abandon(error: TransferError): Promise<void>;
}

/** Takes bytes in order, and for good. */
export interface OrderedSink extends Target, ChunkSink {
  readonly isRewindable: false;
}

/** Takes bytes in any order, and takes them back. */
export interface RangedSink extends Target {
  readonly isRewindable: true;
  /** For the chunks of a call from `offset` on, where nothing is yet. */
  section(offset: number): Section;
  /** Forgets everything. While no section is being written. */
  restart(): Promise<void>;
}

/** Of a target that takes bytes in any order, what one call fills. */
export interface Section extends ChunkSink {
  /** No more bytes come. */
  close(): void;
  /** Forgets all bytes of the section, which cannot be trusted. Rejects with a TransferError. */
  takeBack(): Promise<void>;
}

export type Sink = OrderedSink | RangedSink;
