/** One upload: opens its source, runs the transfer, and sums up. */
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { TransferError } from '../../base/errors.ts';
import { readError } from '../local-error.ts';
import type { ResolvedOptions } from '../options.ts';
import type { UploadServers } from './channels.ts';
import {
  type UploadOptions,
  type UploadRequest,
  type UploadResult,
  type UploadSource,
  uploadRequestOf,
} from './options.ts';
import { UploadReporter } from './progress.ts';
import { MemorySource } from './sources/memory-source.ts';
import { openPath } from './sources/path-source.ts';
import { ReplaySource } from './sources/replay-source.ts';
import type { OpenSource } from './sources/source.ts';
import { piecesOf } from './sources/source-pieces.ts';
import { UploadRecords } from './sources/upload-record.ts';
import { UploadTransfer } from './transfer.ts';

/** See `SluiceClient.upload`. */
export async function upload(
  servers: UploadServers,
  options: ResolvedOptions,
  given: UploadSource,
  name: string,
  uploadOptions: UploadOptions,
): Promise<UploadResult> {
  const request = uploadRequestOf(name, uploadOptions, options);
  const { onProgress, signal } = uploadOptions;
  const source = await openSource(given, request);
  const channels = await servers.for(name);
  const progress = new UploadReporter(name, onProgress);
  const records = recordsOf(source, request, channels.target, options);
  const transfer = new UploadTransfer({ channels, options, request, source, records, progress }, signal);
  const file = await transfer.run();
  if (file.size !== source.size) {
    throw new TransferError(
      'PROTOCOL_ERROR',
      `${name} has ${file.size} bytes on the server, not ${source.size}`,
    );
  }
  return {
    bytes: file.size,
    resumedBytes: progress.resumedBytes,
    version: file.version,
    crc32: transfer.crc32,
    verified: options.verify,
    attempts: progress.attempts,
    restarts: progress.restarts,
    ...progress.codecs.total,
    durationMs: progress.durationMs,
  };
}

async function openSource(given: UploadSource, request: UploadRequest): Promise<OpenSource> {
  if (typeof given === 'string') return await openGivenPath(given, request);
  if (given instanceof Uint8Array) return new MemorySource(given);
  if (
    typeof given === 'object' &&
    given !== null &&
    ('getReader' in given || Symbol.asyncIterator in given)
  ) {
    return new ReplaySource(piecesOf(given), request.replayBytes);
  }
  throw new TransferError(
    'INVALID_ARGUMENT',
    'the source must be a path, bytes, a stream or an async iterable',
  );
}

async function openGivenPath(path: string, request: UploadRequest): Promise<OpenSource> {
  const stats = await statsOf(path);
  if (stats.isFile()) return await openPath(path);
  if (stats.isDirectory()) throw new TransferError('LOCAL_IO', `${path} is a directory; name a file in it`);
  return new ReplaySource(piecesOf(createReadStream(path)), request.replayBytes);
}

async function statsOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw readError('cannot open', path, cause);
  }
}

function recordsOf(
  { identity }: OpenSource,
  { crc32, ifMatch, name, overwrite, resumable, sha256 }: UploadRequest,
  target: string,
  { logger }: ResolvedOptions,
): UploadRecords | undefined {
  if (identity === undefined || !resumable) return undefined;
  const digest = Buffer.from(sha256).toString('hex');
  return new UploadRecords(
    { path: identity.path, target, name, overwrite, ifMatch, sha256: digest, crc32 },
    logger,
  );
}
