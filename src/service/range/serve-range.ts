/**
 * One range of one version of a file, to whatever asks for it.
 *
 * Invariant: it ends well only after the version was checked again behind the
 * last read, so bytes of two versions never do.
 */
import { TransferError } from '../../base/errors.ts';
import type { Outlet } from '../../engine/download/outlet.ts';
import type { RangeTotals } from '../../engine/download/range-pipeline.ts';
import type { OpenFile } from '../../storage/store.ts';
import type { StreamFileRequest, StreamFileResponse } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import { fileInfoOf } from '../file-info.ts';
import type { RequestFacts } from '../prelude/request-log.ts';
import { checkVersion, chunkBytesOf, codecsOf, compressionOf, rangeOf } from './stream-request.ts';

/** Where the answers to one request go: single messages, and the runs of the engine. */
export interface RangeOutlet extends Outlet {
  /** Resolves when the message is written, or nobody takes messages any more. Throws why the request has to end. */
  send(message: StreamFileResponse): Promise<void>;
  /** Calls `listener`, at least once, when nothing more is to be sent, with the reason. */
  onEnd(listener: (error: TransferError) => void): void;
}

/** Throws a TransferError. Either way nothing uses the file any more, and what touches bytes is known to the outlet. */
export async function serveRange(
  context: ServiceContext,
  request: StreamFileRequest,
  outlet: RangeOutlet,
  facts: RequestFacts,
): Promise<void> {
  const chunkBytes = chunkBytesOf(request, context.chunk);
  const file = await context.store.open(request.fileName);
  try {
    await serveOpened(context, request, outlet, facts, file, chunkBytes);
  } finally {
    await file.close();
  }
}

async function serveOpened(
  context: ServiceContext,
  request: StreamFileRequest,
  outlet: RangeOutlet,
  facts: RequestFacts,
  file: OpenFile,
  chunkBytes: number,
): Promise<void> {
  const { identity } = file;
  checkVersion(request, identity);
  const { start, end } = rangeOf(request, identity.size);
  const checksums = request.wantChecksums;
  const details = request.wantDetails || checksums;
  if (details) await outlet.send(messageOf({ offset: start, file: fileInfoOf(identity) }));

  const compression = compressionOf(request, identity, context.compression);
  const pipeline = context.engine.sendRange(
    {
      source: file.source,
      start,
      end,
      chunkBytes,
      details,
      checksums,
      compression,
      codecs: codecsOf(request),
    },
    outlet,
  );
  facts.start = start;
  outlet.onEnd((error) => pipeline.fail(error));
  try {
    await pipeline.run();
  } catch (error) {
    // The engine saw it shrink; the store can say what the file is now.
    if (TransferError.from(error).code === 'FILE_CHANGED') await file.verifyUnchanged();
    throw error;
  } finally {
    facts.rawBytes = pipeline.totals.rawBytes;
    facts.wireBytes = pipeline.totals.wireBytes;
    const codings = pipeline.codings();
    if (codings !== undefined) facts.codings = codings;
  }
  await file.verifyUnchanged();
  if (checksums) await outlet.send(summaryOf(start, pipeline.totals));
}

function summaryOf(offset: number, totals: RangeTotals): StreamFileResponse {
  return messageOf({
    offset: offset + totals.rawBytes,
    summary: { offset, size: totals.rawBytes, crc32: totals.crc32 },
  });
}

function messageOf(fields: Partial<StreamFileResponse>): StreamFileResponse {
  return {
    chunk: new Uint8Array(0),
    compressed: false,
    offset: 0,
    rawSize: 0,
    codec: 'CODEC_UNSPECIFIED',
    ...fields,
  };
}
