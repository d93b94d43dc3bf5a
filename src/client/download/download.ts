/** One download: picks the sink for its target, runs the transfer, and sums up. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { LaneChannels } from '../lanes/channels.ts';
import type { ResolvedOptions } from '../options.ts';
import { connectionsOf, type DownloadOptions, type DownloadResult, requestOf } from './options.ts';
import { openPartialFile, type PartialFileOpening } from './partial-file/partial-file.ts';
import { targetPaths } from './partial-file/target-path.ts';
import { DownloadReporter } from './progress.ts';
import { DownloadRanges } from './ranges.ts';
import type { Sink } from './sinks/sink.ts';
import { WebSink } from './sinks/web-sink.ts';
import { WritableSink } from './sinks/writable-sink.ts';
import { Transfer } from './transfer.ts';

/** See `SluiceClient.download`. */
export async function download(
  channels: LaneChannels,
  options: ResolvedOptions,
  name: string,
  target: string | Writable | WritableStream<Uint8Array>,
  downloadOptions: DownloadOptions,
): Promise<DownloadResult> {
  const ranges = new DownloadRanges(requestOf(name, downloadOptions));
  const progress = new DownloadReporter(ranges, downloadOptions.onProgress);
  const { signal } = downloadOptions;
  const wanted = connectionsOf(downloadOptions);
  try {
    const overwrite = downloadOptions.overwrite ?? true;
    const keepMode = downloadOptions.keepMode ?? false;
    const opening = { ranges, progress, logger: options.logger, overwrite, keepMode, signal };
    const sink = await sinkFor(target, downloadOptions.end, opening);
    const connections = sink.isRewindable ? wanted : 1;
    await new Transfer({ channels, options, ranges, sink, progress, connections, signal }).run();
    return resultOf(ranges, progress, options.verify, sink);
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
  ranges: DownloadRanges,
  progress: DownloadReporter,
  verify: boolean,
  sink: Sink,
): DownloadResult {
  return {
    bytes: ranges.receivedBytes,
    resumedBytes: progress.resumedBytes,
    version: ranges.content.file?.version ?? '',
    crc32: verify || sink.needsCrc32 ? ranges.crc32 : undefined,
    verified: verify && !ranges.content.isPlain,
    attempts: progress.attempts,
    restarts: progress.restarts,
    ...progress.codecs.total,
    durationMs: progress.durationMs,
  };
}
