/** A range of a file as an iteration over verified chunks. The transfer starts with the first one asked for. */
import { onCancelled } from '../connection/cancellation.ts';
import type { Channel } from '../connection/channel.ts';
import type { ResolvedOptions } from '../options.ts';
import { requestOf, type StreamOptions } from './options.ts';
import { Position } from './position.ts';
import { DownloadReporter } from './progress.ts';
import { IteratorSink } from './sinks/iterator-sink.ts';
import { Transfer } from './transfer.ts';

export async function* streamFile(
  channel: Channel,
  options: ResolvedOptions,
  name: string,
  streamOptions: StreamOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const position = new Position(requestOf(name, streamOptions));
  const progress = new DownloadReporter(position, streamOptions.onProgress);
  const sink = new IteratorSink();
  const left = new AbortController();
  const { signal } = streamOptions;
  const ignoreSignal = onCancelled(signal, (error) => left.abort(error));
  const transfer = new Transfer({ channel, options, position, sink, progress, signal: left.signal });
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
