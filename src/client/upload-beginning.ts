/** How an upload begins: with what an earlier run left on the server, or new. */
import type { CodecName } from '../base/coding.ts';
import { TransferError } from '../base/errors.ts';
import { codecsFromContract } from '../wire/codec.ts';
import { SAFE_CHUNK_BYTES } from './limits.ts';
import { isRecordOf, type UploadRecord } from './upload-record.ts';
import type { UploadRun } from './upload-run.ts';
import { EMPTY_STATE, type UploadState } from './upload-state.ts';

/** An upload that the server knows. */
export interface Begun {
  readonly uploadId: string;
  readonly maxChunkBytes: number;
  /** What it decompresses and this runtime has. */
  readonly codecs: readonly CodecName[];
  readonly state: UploadState;
}

/** Rejects with what StartUpload refuses. */
export async function beginUpload(run: UploadRun): Promise<Begun> {
  const { options, records, request, source } = run.context;
  const { identity } = source;
  const record = identity === undefined ? undefined : await records?.read();
  if (record === undefined || identity === undefined) return await start(run);
  if (isRecordOf(record, identity)) return (await resume(run, record)) ?? (await start(run));
  options.logger.info({ name: request.name }, 'the source changed since the last run; starting over');
  await run.calls.abort(record.uploadId);
  return await start(run);
}

async function start(run: UploadRun): Promise<Begun> {
  const { acceptedCodecs, expiresMs, maxChunkSize, uploadId } = await run.calls.start(run.startRequest());
  if (uploadId === '') throw new TransferError('PROTOCOL_ERROR', 'the server gave the upload no id');
  const codecs = codecsFromContract(acceptedCodecs);
  const maxChunkBytes = maxChunkSize > 0 ? maxChunkSize : SAFE_CHUNK_BYTES;
  await run.enter({ uploadId, maxChunkBytes, acceptsGzip: codecs.includes('gzip'), expiresMs });
  return { uploadId, maxChunkBytes, codecs, state: EMPTY_STATE };
}

/** Undefined when the server has nothing that could be resumed. */
async function resume(run: UploadRun, record: UploadRecord): Promise<Begun | undefined> {
  const { options, progress, request, source } = run.context;
  const { acceptsGzip, maxChunkBytes, uploadId } = record;
  let state: UploadState;
  try {
    state = await run.calls.sync(uploadId, source.size);
  } catch (reason) {
    if (!isGone(TransferError.from(reason))) throw reason;
    options.logger.info({ name: request.name }, 'the server no longer has the last upload; starting over');
    return undefined;
  }
  // Finished, and the run before died of it: that is true only as long as nobody wrote the file since.
  if (state.file !== undefined && (await run.calls.stat())?.version !== state.file.version) return undefined;
  progress.resumedBytes = state.file?.size ?? state.durableBytes;
  await run.enter({ uploadId, maxChunkBytes, acceptsGzip, expiresMs: state.expiresMs });
  const remembered: readonly CodecName[] = acceptsGzip ? ['gzip'] : [];
  const codecs = state.codecs.length > 0 ? state.codecs : remembered;
  return { uploadId, maxChunkBytes, codecs, state };
}

/** The server does not know the upload. */
export function isGone({ code }: TransferError): boolean {
  return code === 'UPLOAD_NOT_FOUND' || code === 'NOT_FOUND';
}
