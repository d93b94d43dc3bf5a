/** One download: picks the sink for its target, runs the transfer, and sums up. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { Channel } from '../connection/channel.ts';
import type { ResolvedOptions } from '../options.ts';
import { type DownloadOptions, type DownloadResult, requestOf } from './options.ts';
import { openPartialFile, type PartialFileOpening } from './partial-file/partial-file.ts';
import { targetPaths } from './partial-file/target-path.ts';
import { Position } from './position.ts';
import { DownloadReporter } from './progress.ts';
import type { Sink } from './sinks/sink.ts';
import { WebSink } from './sinks/web-sink.ts';
import { WritableSink } from './sinks/writable-sink.ts';
import { Transfer } from './transfer.ts';

/** See `SluiceClient.download`. */
export async function download(
  channel: Channel,
  options: ResolvedOptions,
  name: string,
  target: string | Writable | WritableStream<Uint8Array>,
  downloadOptions: DownloadOptions,
): Promise<DownloadResult> {
  const position = new Position(requestOf(name, downloadOptions));
  const progress = new DownloadReporter(position, downloadOptions.onProgress);
  const { signal } = downloadOptions;
  try {
    const overwrite = downloadOptions.overwrite ?? true;
    const keepMode = downloadOptions.keepMode ?? false;
    const opening = { position, progress, logger: options.logger, overwrite, keepMode, signal };
    const sink = await sinkFor(target, downloadOptions.end, opening);
    await new Transfer({ channel, options, position, sink, progress, signal }).run();
    return resultOf(position, progress, options.verify, sink);
  } finally {
    progress.close();
  }
}

async function sinkFor(
  target: string | Writable | WritableStream<Uint8Array>,
  ends: boolean | undefined,
  opening: PartialFileOpening,
): Promise<Sink> {
  if (typeof target === 'string') return await sinkForPath(target, opening);
  if ('getWriter' in target) return new WebSink(target, ends ?? true);
  const isStandardStream = target === process.stdout || target === process.stderr;
  return new WritableSink(target, ends ?? !isStandardStream);
}

async function sinkForPath(path: string, opening: PartialFileOpening): Promise<Sink> {
  const paths = await targetPaths(path, opening.overwrite);
  if (paths !== undefined) return await openPartialFile(paths, opening);
  return new WritableSink(createWriteStream(path), true);
}

function resultOf(
  position: Position,
  progress: DownloadReporter,
  verify: boolean,
  sink: Sink,
): DownloadResult {
  return {
    bytes: position.receivedBytes,
    resumedBytes: progress.resumedBytes,
    version: position.file?.version ?? '',
    crc32: verify || sink.needsCrc32 ? position.crc32 : undefined,
    verified: verify && !position.isPlain,
    attempts: progress.attempts,
    restarts: progress.restarts,
    ...progress.codecs.total,
    durationMs: progress.durationMs,
  };
}
