/**
 * Decompresses one chunk of any codec and accepts nothing else than one whole
 * member, stream or frame of exactly the declared size: output is bounded by
 * it, and trailing bytes are refused.
 */
import type { Buffer } from 'node:buffer';
import { brotliDecompress } from 'node:zlib';
import type { CodecName } from '../base/coding.ts';
import { TransferError } from '../base/errors.ts';
import { zstdZlib } from './codec.ts';
import { inflateMember } from './gzip-member.ts';
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
    if (failure !== null) {
      done(malformed(codec, failure.message), NOTHING);
      return;
    }
    // With `info` the result is the output and the engine that made it; @types/node does not know.
    const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
    if (engine.bytesWritten !== chunk.byteLength) done(malformed(codec, 'bytes follow it'), NOTHING);
    else if (buffer.byteLength !== rawBytes)
      done(malformed(codec, 'its size is not the declared one'), NOTHING);
    else done(undefined, buffer);
  };
  // One byte more than the content: with an exactly full output, zlib would allocate and run a second time.
  const chunkSize = Math.max(rawBytes + 1, MIN_OUTPUT_BYTES);
  const options = { chunkSize, maxOutputLength: Math.max(rawBytes, 1), info: true };
  if (codec === 'brotli') {
    brotliDecompress(chunk, options, decoded);
    return;
  }
  if (zstdZlib === undefined) throw new TransferError('PROTOCOL_ERROR', 'this runtime has no zstd');
  checkOneFrame(chunk);
  zstdZlib.zstdDecompress(chunk, options, decoded);
}

function malformed(codec: CodecName, problem: string): TransferError {
  return new TransferError(
    'PROTOCOL_ERROR',
    `a chunk compressed with ${codec} is not what it says: ${problem}`,
  );
}
