/**
 * Decompresses one chunk of any codec and accepts only one whole member, stream
 * or frame of exactly the declared size: output is bounded by that size, windows
 * by `MAX_WINDOW_BITS`, and trailing bytes are refused.
 */
import type { Buffer } from 'node:buffer';
import { type BrotliOptions, brotliDecompress, brotliDecompressSync } from 'node:zlib';
import type { CodecName } from '../base/coding.ts';
import { TransferError } from '../base/errors.ts';
import { MAX_WINDOW_BITS, zstdOfNode } from './codec.ts';
import { inflateMember, inflateMemberSync } from './gzip-member.ts';
import { checkOneFrame } from './zstd-frame.ts';

/** zlib's lower bound of `chunkSize`. */
const MIN_OUTPUT_BYTES = 64;

const NOTHING = new Uint8Array(0);

type Done = (error: TransferError | undefined, content: Uint8Array) => void;

/**
 * The content of `chunk`, in memory of its own. The caller has checked
 * `rawBytes`, the size to expect, against its limits, and checks the CRC-32.
 * `done` is called once; with a PROTOCOL_ERROR for anything but one whole of that size.
 * Throws PROTOCOL_ERROR for what is seen to be wrong at once.
 */
export function decodeChunk(chunk: Uint8Array, codec: CodecName, rawBytes: number, done: Done): void {
  if (codec === 'gzip') {
    inflateMember(chunk, rawBytes, done);
    return;
  }
  const decoded = (failure: Error | null, result: unknown) => {
    let content: Uint8Array;
    try {
      if (failure !== null) throw malformed(codec, failure.message);
      content = checkedContent(result, codec, chunk, rawBytes);
    } catch (error) {
      done(error as TransferError, NOTHING);
      return;
    }
    done(undefined, content);
  };
  if (codec === 'brotli') brotliDecompress(chunk, brotliOptions(chunk, rawBytes), decoded);
  else zstdOfNode().zstdDecompress(chunk, zstdOptions(chunk, rawBytes), decoded);
}

/** The same in a thread that may block. Throws PROTOCOL_ERROR. */
export function decodeChunkSync(chunk: Uint8Array, codec: CodecName, rawBytes: number): Uint8Array {
  if (codec === 'gzip') return inflateMemberSync(chunk, rawBytes);
  const options = codec === 'brotli' ? brotliOptions(chunk, rawBytes) : zstdOptions(chunk, rawBytes);
  let result: unknown;
  try {
    result =
      codec === 'brotli'
        ? brotliDecompressSync(chunk, options)
        : zstdOfNode().zstdDecompressSync(chunk, options);
  } catch (failure) {
    throw malformed(codec, (failure as Error).message);
  }
  return checkedContent(result, codec, chunk, rawBytes);
}

/** RFC 7932, 9.1: a stream begins with the size of its window, in one to seven bits. */
function brotliOptions(chunk: Uint8Array, rawBytes: number): BrotliOptions {
  const first = chunk[0] ?? 0;
  const bits = (first & 1) === 0 ? 16 : 17 + ((first >> 1) & 7);
  if (bits > MAX_WINDOW_BITS) throw malformed('brotli', 'its window is larger than 4 MiB');
  return outputOptions(rawBytes);
}

function zstdOptions(chunk: Uint8Array, rawBytes: number): object {
  const { ZSTD_d_windowLogMax } = zstdOfNode().constants;
  checkOneFrame(chunk);
  return { ...outputOptions(rawBytes), params: { [ZSTD_d_windowLogMax]: MAX_WINDOW_BITS } };
}

function outputOptions(rawBytes: number): { chunkSize: number; maxOutputLength: number; info: boolean } {
  // One byte more than the content: with an exactly full output, zlib would allocate and run a second time.
  const chunkSize = Math.max(rawBytes + 1, MIN_OUTPUT_BYTES);
  return { chunkSize, maxOutputLength: Math.max(rawBytes, 1), info: true };
}

/** With `info` the result is the output and the engine that made it; @types/node does not know. */
function checkedContent(result: unknown, codec: CodecName, chunk: Uint8Array, rawBytes: number): Uint8Array {
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  if (engine.bytesWritten !== chunk.byteLength) throw malformed(codec, 'bytes follow it');
  if (buffer.byteLength !== rawBytes) throw malformed(codec, 'its size is not the declared one');
  return buffer;
}

function malformed(codec: CodecName, problem: string): TransferError {
  return new TransferError('PROTOCOL_ERROR', `a chunk compressed with ${codec} is malformed: ${problem}`);
}
