/**
 * One range of one version of a file, to whatever asks for it.
 *
 * Invariant: it ends well only after the version was checked again behind the
 * last read, so bytes of two versions never do.
 */
import type { RangeRequest } from '../../engine/download/range-request.ts';
import type { OpenFile } from '../../storage/store.ts';
import type { StreamFileRequest } from '../../wire/messages.ts';
import type { ServiceContext } from '../context.ts';
import { fileInfoOf } from '../file-info.ts';
import type { RequestFacts } from '../prelude/request-log.ts';
import { messageOf, type RangeOutlet, sendRange } from './send-range.ts';
import { checkVersion, chunkBytesOf, codecsOf, compressionOf, rangeOf } from './stream-request.ts';

/** Throws a TransferError. Either way nothing uses the file any more, and what touches bytes is known to the outlet. */
export async function serveRange(
  context: ServiceContext,
  request: StreamFileRequest,
  outlet: RangeOutlet,
  facts: RequestFacts,
): Promise<void> {
  const chunkBytes = chunkBytesOf(request, context.chunk);
  // The store may have to read the whole file first, to know its version.
  const ended = new AbortController();
  outlet.onEnd((error) => ended.abort(error));
  const file = await context.store.open(request.fileName, {
    ifMatch: request.ifMatch,
    signal: ended.signal,
  });
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

  const range: RangeRequest = {
    source: file.source,
    start,
    end,
    chunkBytes,
    details,
    checksums,
    compression: compressionOf(request, identity, context.compression),
    codecs: codecsOf(request),
  };
  const isWhole = start === 0 && end === identity.size;
  await sendRange(context, range, outlet, facts, (crc32) =>
    file.verifyUnchanged(isWhole ? crc32 : undefined),
  );
}
