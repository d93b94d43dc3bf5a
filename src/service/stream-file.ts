/**
 * StreamFile: one range of one version of a file.
 *
 * Invariant: OK is sent only after the version was checked again behind the
 * last read, so bytes of two versions never end in OK.
 */
import { TransferError } from '../base/errors.ts';
import type { RangeTotals } from '../engine/download/range-pipeline.ts';
import type { BulkCall } from '../flow/calls/bulk-call.ts';
import type { OpenFile } from '../storage/store.ts';
import type { StreamFileRequest, StreamFileResponse } from '../wire/messages.ts';
import type { ServiceContext } from './context.ts';
import { fileInfoOf } from './file-info.ts';
import type { AdmittedCall } from './prelude/admitted-call.ts';
import type { RequestFacts } from './prelude/request-log.ts';
import { checkVersion, chunkBytesOf, codecsOf, compressionOf, rangeOf } from './stream-request.ts';

type StreamCall = BulkCall<StreamFileRequest, StreamFileResponse>;

export async function streamFile(
  context: ServiceContext,
  call: StreamCall,
  { facts }: AdmittedCall,
): Promise<void> {
  const chunkBytes = chunkBytesOf(call.request, context.chunk);
  const file = await context.store.open(call.request.fileName);
  try {
    await streamOpened(context, call, file, chunkBytes, facts);
  } finally {
    await file.close();
  }
}

async function streamOpened(
  context: ServiceContext,
  call: StreamCall,
  file: OpenFile,
  chunkBytes: number,
  facts: RequestFacts,
): Promise<void> {
  const { request } = call;
  const { identity } = file;
  checkVersion(request, identity);
  const { start, end } = rangeOf(request, identity.size);
  const checksums = request.wantChecksums;
  const details = request.wantDetails || checksums;
  if (details) await call.send(messageOf({ offset: start, file: fileInfoOf(identity) }));

  const compression = compressionOf(request, identity, context.compression);
  const transfer = context.engine.serveRange(
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
    call,
  );
  facts.start = start;
  call.onClose(() => transfer.fail(new TransferError('CANCELLED', 'the client ended the call')));
  call.onAbandon((error) => transfer.fail(error));
  try {
    await transfer.run();
  } catch (error) {
    // The engine saw it shrink; the store can say what the file is now.
    if (TransferError.from(error).code === 'FILE_CHANGED') await file.verifyUnchanged();
    throw error;
  } finally {
    facts.rawBytes = transfer.totals.rawBytes;
    facts.wireBytes = transfer.totals.wireBytes;
    const codings = transfer.codings();
    if (codings !== undefined) facts.codings = codings;
  }
  await file.verifyUnchanged();
  if (checksums) await call.send(summaryOf(start, transfer.totals));
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
