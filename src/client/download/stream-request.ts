/** The StreamFile request for the rest of a range, from where a transfer stands. */
import { codecInContract, RUNTIME_CODECS } from '../../wire/codec.ts';
import type { CompressionWish, StreamFileRequest } from '../../wire/messages.ts';
import type { CompressionMode } from '../options.ts';
import type { AttemptContext } from './attempt.ts';

const WISH_OF_MODE: Readonly<Record<CompressionMode, CompressionWish>> = {
  auto: 'COMPRESSION_UNSPECIFIED',
  never: 'COMPRESSION_NEVER',
  always: 'COMPRESSION_ALWAYS',
};

/** Pinned to the version the transfer has begun with, if any. */
export function streamRequest(context: AttemptContext): StreamFileRequest {
  const { options, position, chunkBytes } = context;
  const { remainingLimit } = position;
  return {
    fileName: position.request.name,
    start: position.offset,
    chunkSize: chunkBytes,
    canDecompress: options.compression !== 'never',
    ...(remainingLimit === undefined ? {} : { limit: remainingLimit }),
    ifMatch: position.ifMatch,
    wantDetails: true,
    wantChecksums: options.verify,
    compression: WISH_OF_MODE[options.compression],
    acceptedCodecs: RUNTIME_CODECS.map(codecInContract),
  };
}
