/** A range of a file as an iteration over verified chunks. The transfer starts with the first one asked for. */
import { onCancelled } from '../connection/cancellation.ts';
import type { LaneChannels } from '../lanes/channels.ts';
import type { ResolvedOptions } from '../options.ts';
import { requestOf, type StreamOptions } from './options.ts';
import { DownloadReporter } from './progress.ts';
import { DownloadRanges } from './ranges.ts';
import { IteratorSink } from './sinks/iterator-sink.ts';
import { Transfer } from './transfer.ts';

export async function* streamFile(
  channels: LaneChannels,
  options: ResolvedOptions,
  name: string,
  streamOptions: StreamOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const ranges = new DownloadRanges(requestOf(name, streamOptions));
  const progress = new DownloadReporter(ranges, streamOptions.onProgress);
  const sink = new IteratorSink();
  const left = new AbortController();
  const { signal } = streamOptions;
  const ignoreSignal = onCancelled(signal, (error) => left.abort(error));
  const transfer = new Transfer({
    channels,
    options,
    ranges,
    sink,
    progress,
    connections: 1,
    signal: left.signal,
  });
  // The sink throws this error to the consumer.
  const running = options.tracing
    .operation('sluice stream', { 'sluice.file': name }, () => transfer.run())
    .catch(() => {});
  try {
    for (let batch = await sink.nextBatch(); batch.length > 0; batch = await sink.nextBatch()) {
      for (const chunk of batch) yield chunk;
    }
  } finally {
    ignoreSignal();
    left.abort();
    await running;
  }
}
