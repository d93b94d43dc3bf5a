/** What a StreamFileRequest asks for, checked and completed. */
import type { CodecName } from '../../base/coding.ts';
import { contentTypeOf, mayCompress } from '../../base/content-type.ts';
import { TransferError } from '../../base/errors.ts';
import type { CompressionMode } from '../../engine/download/compression-policy.ts';
import type { FileIdentity } from '../../storage/store.ts';
import { codecsFromContract } from '../../wire/codec.ts';
import type { CompressionWish, StreamFileRequest } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';

/** The size of a chunk for this request, in bytes before compression. */
export function chunkBytesOf(
  request: Pick<StreamFileRequest, 'chunkSize'>,
  chunk: ServiceContext['chunk'],
): number {
  if (request.chunkSize < 0) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      'chunk_size is negative; leave it at 0 for the default of the server',
    );
  }
  return request.chunkSize === 0 ? chunk.size : Math.min(request.chunkSize, chunk.maxSize);
}

/** The range `[start, end)` of a file of `size` bytes. */
export function rangeOf(
  request: Pick<StreamFileRequest, 'start' | 'limit'>,
  size: number,
): { start: number; end: number } {
  const { start, limit } = request;
  if (start < 0)
    throw new TransferError(
      'INVALID_ARGUMENT',
      'start is negative; it is an offset from the start of the file',
    );
  if (limit !== undefined && limit < 0) {
    throw new TransferError('INVALID_ARGUMENT', 'limit is negative; leave it out to read up to the end');
  }
  if (start > size) {
    throw new TransferError('OUT_OF_RANGE', `start ${start} lies beyond the end, which is at ${size} bytes`);
  }
  return { start, end: Math.min(size, start + (limit ?? size)) };
}

/** Throws VERSION_MISMATCH, naming the present version, when the request is pinned to another one. */
export function checkVersion(request: StreamFileRequest, file: FileIdentity): void {
  if (request.ifMatch === '' || request.ifMatch === file.version) return;
  throw new TransferError(
    'VERSION_MISMATCH',
    `the file's version is ${file.version} now, not the one asked for; start over with it`,
    { version: file.version },
  );
}

/** Whether chunks may, must not or should be compressed. */
export function compressionOf(
  request: StreamFileRequest,
  file: FileIdentity,
  settings: ServiceContext['compression'],
): CompressionMode {
  const { compression } = request;
  return compressionFor({ compression, codecs: codecsOf(request) }, file.size, [file.name], settings);
}

/** As `compressionOf`, for `size` bytes of the files `names`: `auto` where any of them may get smaller. */
export function compressionFor(
  { codecs, compression }: { codecs: readonly CodecName[]; compression: CompressionWish | number },
  size: number,
  names: readonly string[],
  settings: ServiceContext['compression'],
): CompressionMode {
  if (codecs.length === 0 || settings.mode === 'off') return 'never';
  if (compression === 'COMPRESSION_NEVER' || size < settings.minSize) return 'never';
  // What a client wants of every chunk is done in the codec that every client has.
  if (compression === 'COMPRESSION_ALWAYS') return codecs.includes('gzip') ? 'always' : 'auto';
  return names.some((name) => mayCompress(contentTypeOf(name))) ? 'auto' : 'never';
}

/** What both sides have; a client that names nothing has gzip. */
export function codecsOf({ acceptedCodecs, canDecompress }: StreamFileRequest): readonly CodecName[] {
  if (!canDecompress) return [];
  if (acceptedCodecs.length === 0) return ['gzip'];
  return codecsFromContract(acceptedCodecs);
}
