/**
 * Checks what one call delivers: chunks follow each other without gap or overlap,
 * stay inside the range and have the declared size, and the final summary agrees
 * with their sum. All checks that need no content.
 */
import type { CodecName } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import { MAX_RECEIVED_CHUNK_BYTES } from '../../base/limits.ts';
import { codecOfChunk } from '../../wire/codec.ts';
import { combineCrc32 } from '../../wire/crc32.ts';
import { trailerOf } from '../../wire/gzip-member.ts';
import type { RangeSummary, StreamFileResponse } from '../../wire/messages.ts';
import { brokenContract as broken } from '../broken-contract.ts';

/** A CRC-32 that was not declared. */
export const NO_CRC = -1;

export class ReceivedRange {
  /** Offset of the call's first byte. */
  readonly start: number;
  /** Offset of the next chunk to arrive; ahead of what is delivered by what is being inflated. */
  arrivalOffset: number;
  #deliveredBytes = 0;
  #crc32 = 0;
  #summary: RangeSummary | undefined;

  constructor(start: number) {
    this.start = start;
    this.arrivalOffset = start;
  }

  /**
   * Admits the next chunk; returns its size before compression.
   * Throws PROTOCOL_ERROR.
   * @param end offset after the range
   */
  admitDetailed(message: StreamFileResponse, end: number): number {
    const { chunk, compressed, offset, rawSize } = message;
    if (this.#summary !== undefined) throw broken('a chunk follows the summary');
    if (offset !== this.arrivalOffset) {
      throw broken(`a chunk for offset ${offset} arrived where ${this.arrivalOffset} was due`);
    }
    if (rawSize > MAX_RECEIVED_CHUNK_BYTES) {
      throw broken(`a chunk of ${rawSize} bytes is larger than ${MAX_RECEIVED_CHUNK_BYTES}`);
    }
    if (rawSize < 1 || (!compressed && rawSize !== chunk.byteLength)) {
      throw broken(`a chunk of ${chunk.byteLength} bytes says it has ${rawSize}`);
    }
    if (compressed && isGzip(message) && trailerOf(chunk).rawBytes !== rawSize) {
      throw broken(
        `a compressed chunk says it has ${rawSize} bytes and contains ${trailerOf(chunk).rawBytes}`,
      );
    }
    if (rawSize > end - offset) throw broken(`a chunk goes beyond the end of the range at ${end}`);
    this.arrivalOffset += rawSize;
    return rawSize;
  }

  /** The same for a server that sends no details: nothing to compare with. */
  admitPlain(message: StreamFileResponse): number {
    if (message.compressed && !isGzip(message)) throw broken('a compressed chunk came without its size');
    const rawBytes = message.compressed ? trailerOf(message.chunk).rawBytes : message.chunk.byteLength;
    if (rawBytes > MAX_RECEIVED_CHUNK_BYTES) {
      throw broken(`a chunk of ${rawBytes} bytes is larger than ${MAX_RECEIVED_CHUNK_BYTES}`);
    }
    this.arrivalOffset += rawBytes;
    return rawBytes;
  }

  /** The next chunk went to the sink. */
  noteDelivered(bytes: number, crc: number): void {
    this.#deliveredBytes += bytes;
    this.#crc32 = combineCrc32(this.#crc32, crc, bytes);
  }

  noteSummary(summary: RangeSummary): void {
    if (this.#summary !== undefined) throw broken('there are two summaries');
    this.#summary = summary;
  }

  /** The stream ended with OK. Throws PROTOCOL_ERROR when bytes are missing. */
  checkLength(end: number): void {
    const missingBytes = end - this.start - this.#deliveredBytes;
    if (missingBytes !== 0)
      throw broken(`the stream ended ${missingBytes} bytes before the end of the range`);
  }

  /** Throws PROTOCOL_ERROR without a summary and CHECKSUM_MISMATCH with one that does not fit. */
  checkSummary(): void {
    const summary = this.#summary;
    if (summary === undefined) throw broken('the stream ended without the summary that was asked for');
    const fits =
      summary.offset === this.start && summary.size === this.#deliveredBytes && summary.crc32 === this.#crc32;
    if (fits) return;
    throw new TransferError(
      'CHECKSUM_MISMATCH',
      `the ${this.#deliveredBytes} bytes received from offset ${this.start} do not agree with the summary the server sent`,
    );
  }
}

/** The codec of a compressed chunk. Throws PROTOCOL_ERROR for one that was not accepted. */
export function declaredCodec(message: StreamFileResponse): CodecName {
  const codec = codecOfChunk(message.codec);
  if (codec === undefined)
    throw broken(`a chunk is compressed with ${message.codec}, which was not accepted`);
  return codec;
}

function isGzip({ codec }: StreamFileResponse): boolean {
  return codecOfChunk(codec) === 'gzip';
}

/** The CRC-32 a chunk came with. Throws PROTOCOL_ERROR when it was asked for and is not there. */
export function declaredCrc(message: StreamFileResponse, isRequired: boolean): number {
  if (message.crc32 !== undefined) return message.crc32;
  if (isRequired)
    throw broken(`the chunk at offset ${message.offset} came without the CRC-32 that was asked for`);
  return NO_CRC;
}
