/** The server's answer about an upload, validated, because a server may lie. */
import type { CodecName } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import { MIN_CHUNK_LIMIT_BYTES } from '../../base/limits.ts';
import { codecsFromContract } from '../../wire/codec.ts';
import type { FileInfo, GetUploadStatusResponse, Part } from '../../wire/messages.ts';

export interface UploadState {
  /** Durable ranges: ascending, not overlapping, not empty. */
  readonly durable: readonly Part[];
  readonly durableBytes: number;
  /** The durable prefix. */
  readonly committedSize: number;
  /** The file, once the upload is complete. */
  readonly file: FileInfo | undefined;
  readonly expiresMs: number;
  /** Codecs of both the server and this runtime; empty when the server does not say. */
  readonly codecs: readonly CodecName[];
  /** Pings may measure the link. */
  readonly takesPings: boolean;
  /** Calls that may carry parts at once; 0: any number. */
  readonly maxStreams: number;
  /** The largest chunk that the server takes now; Infinity when it does not say. */
  readonly maxChunkBytes: number;
}

/** Nothing yet. */
export const EMPTY_STATE: UploadState = {
  durable: [],
  durableBytes: 0,
  committedSize: 0,
  file: undefined,
  expiresMs: 0,
  codecs: [],
  takesPings: false,
  maxStreams: 0,
  maxChunkBytes: Number.POSITIVE_INFINITY,
};

/** Throws PROTOCOL_ERROR. `size` is undefined for a stream of unknown size. */
export function uploadStateOf(response: GetUploadStatusResponse, size: number | undefined): UploadState {
  const {
    acceptedCodecs,
    committedSize,
    complete,
    expiresMs,
    file,
    maxChunkSize,
    maxStreams = 0,
    parts,
  } = response;
  const durable = parts.length === 0 && committedSize > 0 ? [{ start: 0, end: committedSize }] : parts;
  const most = size ?? Number.MAX_SAFE_INTEGER;
  let durableBytes = 0;
  let lastEnd = -1;
  for (const { start, end } of durable) {
    const isSane = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start < end && end <= most;
    if (!isSane || start <= lastEnd)
      throw impossible(`it has bytes ${start} to ${end} of ${size ?? 'a stream'}`);
    durableBytes += end - start;
    lastEnd = end;
  }
  const prefix = durable[0]?.start === 0 ? durable[0].end : 0;
  if (committedSize > prefix)
    throw impossible(`${committedSize} bytes are committed and ${prefix} are there`);
  if (complete && file === null) throw impossible('it is complete and there is no file');
  return {
    durable,
    durableBytes,
    committedSize: prefix,
    file: file ?? undefined,
    expiresMs,
    codecs: codecsFromContract(acceptedCodecs),
    takesPings: response.takesPings,
    maxStreams,
    maxChunkBytes: receivedChunkLimit(maxChunkSize) ?? Number.POSITIVE_INFINITY,
  };
}

/** The largest chunk that the server takes; undefined when it does not say. Throws PROTOCOL_ERROR for a limit that makes a message of every byte. */
export function receivedChunkLimit(maxChunkSize: number): number | undefined {
  if (maxChunkSize <= 0) return undefined;
  if (maxChunkSize >= MIN_CHUNK_LIMIT_BYTES) return maxChunkSize;
  throw new TransferError(
    'PROTOCOL_ERROR',
    `the server takes chunks of ${maxChunkSize} bytes; ${MIN_CHUNK_LIMIT_BYTES} are the least`,
  );
}

function impossible(claim: string): TransferError {
  return new TransferError('PROTOCOL_ERROR', `the server says of the upload that ${claim}`);
}
