/** How an upload begins: resumed from an earlier run, or new. */
import type { CodecName } from '../../base/coding.ts';
import { TransferError } from '../../base/errors.ts';
import { newUploadId } from '../../base/upload-id.ts';
import { codecsFromContract } from '../../wire/codec.ts';
import { MAX_UPLOAD_ID_CHARS, SAFE_CHUNK_BYTES } from '../limits.ts';
import { checkLength } from '../wire-size.ts';
import type { UploadTerms } from './channels.ts';
import { UploadOpening } from './opening.ts';
import type { UploadRun } from './run.ts';
import { isRecordOf, type UploadRecord } from './sources/upload-record.ts';
import { EMPTY_STATE, receivedChunkLimit, type UploadState } from './state.ts';

/** An upload that the server knows, or can be told of by the first call that sends to it. */
export interface Begun {
  readonly opening: UploadOpening;
  readonly maxChunkBytes: number;
  /** Codecs of both the server and this runtime. */
  readonly codecs: readonly CodecName[];
  /** Pings may measure the link. */
  readonly takesPings: boolean;
  /** Calls that may carry parts at once; 0: any number. */
  readonly maxStreams: number;
  readonly state: UploadState;
}

/** Rejects with what StartUpload refuses. */
export async function beginUpload(run: UploadRun): Promise<Begun> {
  const { options, records, request, source } = run.context;
  const { attributes } = request;
  const { identity } = source;
  const record = identity === undefined ? undefined : await records?.read();
  if (record === undefined || identity === undefined) return await start(run);
  if (isRecordOf(record, identity, attributes)) return (await resume(run, record)) ?? (await start(run));
  options.logger.info({ name: request.name }, 'the source changed since the last run; starting over');
  await run.calls.abort(record.uploadId);
  return await start(run);
}

async function start(run: UploadRun): Promise<Begun> {
  const { channels } = run.context;
  const request = run.startRequest(newUploadId());
  const known = channels.terms;
  if (known !== undefined) {
    const opening = new UploadOpening(request.uploadId, run.calls, request);
    run.isOnTrust = true;
    return await begun(run, opening, known, Date.now() + known.lifetimeMs);
  }
  const { acceptedCodecs, expiresMs, maxChunkSize, maxStreams, takesPings, uploadId } =
    await run.calls.start(request);
  if (uploadId === '') throw new TransferError('PROTOCOL_ERROR', 'the server gave no upload id');
  checkLength('an upload id', uploadId, MAX_UPLOAD_ID_CHARS);
  const terms = {
    maxChunkBytes: receivedChunkLimit(maxChunkSize) ?? SAFE_CHUNK_BYTES,
    codecs: codecsFromContract(acceptedCodecs),
    takesPings,
    maxStreams: maxStreams ?? 0,
    lifetimeMs: expiresMs - Date.now(),
  };
  // A server that chooses its own ids cannot be asked about an upload whose call was cut.
  if (uploadId === request.uploadId) channels.terms = terms;
  return await begun(run, new UploadOpening(uploadId, run.calls), terms, expiresMs);
}

async function begun(
  run: UploadRun,
  opening: UploadOpening,
  { codecs, maxChunkBytes, maxStreams, takesPings }: UploadTerms,
  expiresMs: number,
): Promise<Begun> {
  const acceptsGzip = codecs.includes('gzip');
  await run.enter({ uploadId: opening.uploadId, maxChunkBytes, acceptsGzip, expiresMs });
  return { opening, maxChunkBytes, codecs, takesPings, maxStreams, state: EMPTY_STATE };
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
  // Finished by the earlier run. That holds only while nobody has written the file since.
  if (state.file !== undefined && (await run.calls.stat())?.version !== state.file.version) return undefined;
  progress.resumedBytes = state.file?.size ?? state.durableBytes;
  await run.enter({ uploadId, maxChunkBytes, acceptsGzip, expiresMs: state.expiresMs });
  const remembered: readonly CodecName[] = acceptsGzip ? ['gzip'] : [];
  const codecs = state.codecs.length > 0 ? state.codecs : remembered;
  const opening = new UploadOpening(uploadId, run.calls);
  const { maxStreams, takesPings } = state;
  const chunkBytes = Math.min(maxChunkBytes, state.maxChunkBytes);
  return { opening, maxChunkBytes: chunkBytes, codecs, takesPings, maxStreams, state };
}

/** The server does not know the upload. */
export function isGone({ code }: TransferError): boolean {
  return code === 'UPLOAD_NOT_FOUND' || code === 'NOT_FOUND';
}
