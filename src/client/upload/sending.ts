/** Sends what the server does not have, over as many connections as that is worth. */
import { contentTypeOf, mayCompress } from '../../base/content-type.ts';
import { missingRanges } from '../../base/ranges.ts';
import type { FileInfo } from '../../wire/messages.ts';
import { UploadCompression } from '../compression/compression.ts';
import { onCancelled } from '../connection/cancellation.ts';
import { Lanes } from '../lanes/lanes.ts';
import type { Begun } from './beginning.ts';
import { DurableWatch } from './durable-watch.ts';
import { checkedContent } from './ending.ts';
import { type LaneContext, UploadLane } from './lane.ts';
import { type UploadParts, uploadParts } from './parts.ts';
import type { UploadContext, UploadRun } from './run.ts';
import type { UploadState } from './state.ts';

/**
 * Resolves when the server has answered for every byte; with the file where the
 * one call that sent them finished the upload as well, which saves a round trip.
 * Rejects with a TransferError.
 */
export async function sendMissing(run: UploadRun, begun: Begun): Promise<FileInfo | undefined> {
  const { options, progress, request, source } = run.context;
  const { size } = source;
  const missing = missingRanges(begun.state.durable, 0, size ?? Number.POSITIVE_INFINITY);
  const parts = uploadParts(missing);
  progress.sentBytes = () => (size === undefined ? parts.movedEnd : size - parts.remainingBytes);
  noteState(run.context, begun.state);
  const stop = new AbortController();
  const ignoreSignal = onCancelled(run.signal, (error) => stop.abort(error));
  const compression = new UploadCompression({
    mode: request.compression,
    isCompressible: mayCompress(contentTypeOf(request.name)),
    codecs: begun.codecs,
    takesPings: begun.takesPings,
    account: progress.codecs,
  });
  progress.codings = () => compression.summary();
  const shared = laneContext(run, begun, parts, compression, stop.signal);
  const watch = new DurableWatch(shared);
  try {
    const connections = source.isSeekable ? connectionsFor(parts, request.connections, begun.maxStreams) : 1;
    if (connections !== undefined && connections > 1) await begun.opening.ensure();
    const wholeBytes = parts.remainingBytes;
    const lanes: Lanes<UploadLane> = new Lanes({
      parts,
      connections,
      stop,
      make: (index) => new UploadLane({ ...shared, goAlone: () => lanes.goAlone() }, index),
      ready: () => begun.opening.ensure(),
      moved: () => {
        const leftBytes = parts.remainingBytes;
        return { movedBytes: wholeBytes - leftBytes, leftBytes };
      },
      onRefused: ({ message: reason }) =>
        options.logger.debug({ name: request.name, reason }, 'no further connection'),
    });
    await lanes.run();
    return shared.ending.file;
  } finally {
    watch.close();
    ignoreSignal();
  }
}

/** One call begins the upload as well, where there is nothing for a second one to send. */
function connectionsFor(parts: UploadParts, wanted: number | undefined, most: number): number | undefined {
  if (!parts.isDivisible) return 1;
  return most > 0 ? Math.min(wanted ?? most, most) : wanted;
}

function laneContext(
  run: UploadRun,
  begun: Begun,
  parts: UploadParts,
  compression: UploadCompression,
  signal: AbortSignal,
): Omit<LaneContext, 'goAlone'> {
  const { channels, options, progress, request, source } = run.context;
  return {
    name: request.name,
    opening: begun.opening,
    channels,
    options,
    source,
    contentCrc: run.contentCrc,
    compression,
    parts,
    calls: run.calls,
    progress,
    chunkBytes: Math.min(options.chunkBytes, begun.maxChunkBytes),
    signal,
    takeover: { hasBeen: false },
    ending: { file: undefined, content: () => checkedContent(run) },
    onState: (state) => {
      if (state.codecs.length > 0) compression.accept(state.codecs, state.takesPings);
      noteState(run.context, state);
    },
  };
}

function noteState({ progress, source }: UploadContext, { committedSize, durableBytes }: UploadState): void {
  progress.durableBytes = Math.max(progress.durableBytes, durableBytes);
  source.release(committedSize);
}
