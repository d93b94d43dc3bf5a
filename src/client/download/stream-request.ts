/** The StreamFile request for the rest of a range, from where a transfer stands. */
import { codecInContract, RUNTIME_CODECS } from '../../wire/codec.ts';
import type { CompressionWish, StreamFileRequest } from '../../wire/messages.ts';
import type { CompressionMode, ResolvedOptions } from '../options.ts';
import type { Position } from './position.ts';

const WISH_OF_MODE: Readonly<Record<CompressionMode, CompressionWish>> = {
  auto: 'COMPRESSION_UNSPECIFIED',
  never: 'COMPRESSION_NEVER',
  always: 'COMPRESSION_ALWAYS',
};

export function compressionWish(mode: CompressionMode): CompressionWish {
  return WISH_OF_MODE[mode];
}

export interface WantedRange {
  readonly options: Pick<ResolvedOptions, 'compression' | 'keepAliveMs' | 'verify'>;
  readonly position: Position;
  /** The chunk size to ask for. */
  readonly chunkBytes: number;
}

/** Pinned to the version the transfer has begun with, if any. */
export function streamRequest({ options, position, chunkBytes }: WantedRange): StreamFileRequest {
  const { remainingLimit } = position;
  return {
    fileName: position.request.name,
    start: position.offset,
    chunkSize: chunkBytes,
    canDecompress: options.compression !== 'never',
    ...(remainingLimit === undefined ? {} : { limit: remainingLimit }),
    ifMatch: position.content.ifMatch,
    wantDetails: true,
    wantChecksums: options.verify,
    compression: compressionWish(options.compression),
    acceptedCodecs: RUNTIME_CODECS.map(codecInContract),
    keepAliveMs: options.keepAliveMs,
  };
}
