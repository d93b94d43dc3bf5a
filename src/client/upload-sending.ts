/** Sends what the server does not have, over as many connections as that is worth. */
import { TransferError } from '../base/errors.ts';
import type { FileInfo } from '../wire/messages.ts';
import { cancelledBy } from './channel.ts';
import { DurableWatch } from './durable-watch.ts';
import { BYTES_PER_CONNECTION, DEFAULT_CONNECTIONS } from './limits.ts';
import type { Begun } from './upload-beginning.ts';
import { UploadCompression } from './upload-compression.ts';
import { checkedContent } from './upload-ending.ts';
import { type LaneContext, UploadLane } from './upload-lane.ts';
import { missingRanges, partBytesFor, UploadParts } from './upload-parts.ts';
import type { UploadContext, UploadRun } from './upload-run.ts';
import type { UploadState } from './upload-state.ts';

/**
 * Resolves when the server has answered for every byte; with the file where the
 * one call that sent them finished the upload as well, which saves a round trip.
 * Rejects with a TransferError.
 */
export async function sendMissing(run: UploadRun, begun: Begun): Promise<FileInfo | undefined> {
  const { progress, request, source } = run.context;
  const { size } = source;
  const missing = missingRanges(begun.state.durable, 0, size ?? Number.POSITIVE_INFINITY);
  const missingBytes = missing.reduce((sum, { end, start }) => sum + end - start, 0);
  const connections = connectionsFor(run.context, missingBytes);
  const parts = new UploadParts(missing, partBytesFor(missingBytes, connections));
  progress.sentBytes = () => (size === undefined ? parts.sentEnd : size - parts.remainingBytes);
  noteState(run.context, begun.state);
  const stop = new AbortController();
  const onAbort = () => stop.abort(run.signal.reason);
  if (run.signal.aborted) onAbort();
  run.signal.addEventListener('abort', onAbort);
  const compression = new UploadCompression({
    mode: request.compression,
    name: request.name,
    codecs: begun.codecs,
    connections: Math.min(connections, parts.count),
    account: progress.codecs,
  });
  progress.codings = () => compression.summary();
  const shared = laneContext(run, begun, parts, compression, stop.signal);
  const watch = new DurableWatch(shared);
  try {
    if (Math.min(connections, parts.count) > 1) await begun.opening.ensure();
    await runLanes(shared, connections, stop);
    return shared.ending.file;
  } finally {
    watch.close();
    run.signal.removeEventListener('abort', onAbort);
  }
}

function connectionsFor({ request, source }: UploadContext, missingBytes: number): number {
  if (!source.isSeekable) return 1;
  if (request.connections !== undefined) return request.connections;
  return Math.min(DEFAULT_CONNECTIONS, Math.max(1, Math.floor(missingBytes / BYTES_PER_CONNECTION)));
}

function laneContext(
  run: UploadRun,
  begun: Begun,
  parts: UploadParts,
  compression: UploadCompression,
  signal: AbortSignal,
): LaneContext {
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
      if (state.codecs.length > 0) compression.accept(state.codecs);
      noteState(run.context, state);
    },
  };
}

/** The server has said what is durable. */
function noteState({ progress, source }: UploadContext, { committedSize, durableBytes }: UploadState): void {
  progress.durableBytes = Math.max(progress.durableBytes, durableBytes);
  source.release(committedSize);
}

/** Runs the lanes until no part is left; throws what ended the first one that failed, once all have ended. */
async function runLanes(shared: LaneContext, connections: number, stop: AbortController): Promise<void> {
  const { parts } = shared;
  // A second round, over the first connection, is for what a lane gave back when it could not connect.
  for (let count = Math.min(connections, parts.count); parts.count > 0; count = 1) {
    const lanes = Array.from({ length: count }, async (_, index) => {
      try {
        await new UploadLane(shared, index).run();
      } catch (reason) {
        stop.abort(TransferError.from(reason));
      }
    });
    await Promise.all(lanes);
    if (stop.signal.aborted) throw cancelledBy(stop.signal);
  }
}
