/** What the requests of uploads say, checked and completed. */
import type { CodecName } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import type { DrainChunk } from '../../engine/jobs/job.ts';
import type { ExpectedContent, Upload, UploadSpec, WriteCondition } from '../../storage/upload-store.ts';
import { codecInContract, codecOfChunk, RUNTIME_CODECS } from '../../wire/codec.ts';
import type {
  Codec,
  Expected,
  GetUploadStatusResponse,
  StartUploadRequest,
  StartUploadResponse,
  UploadFileRequest,
} from '../../wire/messages.ts';
import { safeInteger } from '../../wire/safe-integer.ts';
import { fileInfoOf } from '../file-info.ts';

const SHA256_BYTES = 32;

export function specOf(request: StartUploadRequest): UploadSpec {
  return {
    ...(request.uploadId === '' ? {} : { id: request.uploadId }),
    name: request.fileName,
    expected: expectedOf(request.expected),
    condition: conditionOf(request),
    ...attributesOf(request),
  };
}

/** The most that a Date takes, and more than any file system. */
const MAX_TIME_MS = 8.64e15;

/** What a new file is to get besides its bytes. */
export function attributesOf({
  mode,
  modifiedMs,
}: Pick<StartUploadRequest, 'mode' | 'modifiedMs'>): Pick<UploadSpec, 'mode' | 'modifiedMs'> {
  if (modifiedMs !== undefined && !(Math.abs(modifiedMs) <= MAX_TIME_MS)) {
    const message = `modified_ms is ${modifiedMs}; it must be within ${MAX_TIME_MS} of the epoch`;
    throw new TransferError('INVALID_ARGUMENT', message);
  }
  return { ...(modifiedMs === undefined ? {} : { modifiedMs }), ...(mode === undefined ? {} : { mode }) };
}

export function expectedOf(expected: Expected | null): ExpectedContent {
  if (expected === null) return {};
  const { size, crc32, sha256 } = expected;
  if (sha256.length !== 0 && sha256.length !== SHA256_BYTES) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      `sha256 has ${sha256.length} bytes; it has ${SHA256_BYTES} or none`,
    );
  }
  return {
    ...(size === undefined ? {} : { size: safeInteger(size, 'size') }),
    ...(crc32 === undefined ? {} : { crc32 }),
    // copy: the next message is read into the same memory
    ...(sha256.length === 0 ? {} : { sha256: Uint8Array.from(sha256) }),
  };
}

/** What may be under the name. Throws INVALID_ARGUMENT where the fields do not fit together. */
export function conditionOf({
  overwrite,
  ifMatch,
}: Pick<StartUploadRequest, 'overwrite' | 'ifMatch'>): WriteCondition {
  if (ifMatch !== '' && overwrite !== 'OVERWRITE_VERSION') {
    throw new TransferError('INVALID_ARGUMENT', 'if_match is for OVERWRITE_VERSION; set overwrite to it');
  }
  switch (overwrite) {
    case 'OVERWRITE_UNSPECIFIED':
    case 'OVERWRITE_NEVER':
      return { kind: 'absent' };
    case 'OVERWRITE_ALWAYS':
      return { kind: 'any' };
    case 'OVERWRITE_VERSION':
      if (ifMatch !== '') return { kind: 'version', version: ifMatch };
      throw new TransferError('INVALID_ARGUMENT', 'OVERWRITE_VERSION needs if_match, the version to replace');
    default:
      throw new TransferError('INVALID_ARGUMENT', `overwrite ${overwrite} is not known to this server`);
  }
}

export function startedResponse(upload: Upload, maxChunkSize: number): StartUploadResponse {
  return {
    uploadId: upload.id,
    maxChunkSize,
    expiresMs: upload.state().expiresMs,
    acceptedCodecs: acceptedCodecs(),
    takesPings: true,
    ...(upload.maxStreams === undefined ? {} : { maxStreams: upload.maxStreams }),
  };
}

export function statusResponse(upload: Upload, maxChunkSize: number): GetUploadStatusResponse {
  const { committedSize, parts, expectedSize, file, expiresMs } = upload.state();
  return {
    fileName: upload.name,
    committedSize,
    parts: parts.map(({ start, end }) => ({ start, end })),
    ...(expectedSize === undefined ? {} : { expectedSize }),
    complete: file !== undefined,
    file: file === undefined ? null : fileInfoOf(file),
    expiresMs,
    acceptedCodecs: acceptedCodecs(),
    maxChunkSize,
    takesPings: true,
    ...(upload.maxStreams === undefined ? {} : { maxStreams: upload.maxStreams }),
  };
}

/** What this runtime decompresses. */
export function acceptedCodecs(): Codec[] {
  return RUNTIME_CODECS.map(codecInContract);
}

/** A chunk and its place in the file. */
export type PlacedChunk = Omit<DrainChunk, 'at' | 'ranges'>;

/** What a message says of the bytes that it carries. */
type ChunkFields = Pick<UploadFileRequest, 'compressed' | 'crc32' | 'rawSize' | 'codec'>;

/** The chunk of a message; throws INVALID_ARGUMENT for one whose sizes or codec cannot be. */
export function chunkOf(
  message: ChunkFields,
  wireBytes: number,
  offset: number,
  mostBytes: number,
): PlacedChunk {
  const { compressed, crc32, rawSize } = message;
  const codec = compressed ? acceptedCodecOf(message) : 'identity';
  const rawBytes = compressed ? rawSize : wireBytes;
  if (compressed && (rawSize <= 0 || rawSize > mostBytes)) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      `raw_size is ${rawSize}; a compressed chunk has 1 to ${mostBytes} bytes`,
    );
  }
  if (!compressed && rawSize !== 0 && rawSize !== wireBytes) {
    throw new TransferError(
      'INVALID_ARGUMENT',
      `raw_size is ${rawSize}, but the chunk has ${wireBytes} bytes`,
    );
  }
  return { wireBytes, rawBytes, codec, crc32: crc32 ?? -1, offset };
}

function acceptedCodecOf({ codec }: ChunkFields): CodecName {
  const known = codecOfChunk(codec);
  if (known !== undefined) return known;
  throw new TransferError(
    'INVALID_ARGUMENT',
    `a chunk is compressed with ${codec}; this server takes ${RUNTIME_CODECS.join(', ')}`,
  );
}
