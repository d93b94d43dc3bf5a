/**
 * UploadFile: chunks of one upload, from one call.
 *
 *   opening ──first message──▶ receiving ──half-close──▶ ending ──▶ response
 *      └──────────────┴──────────────────────┴──error, cut──▶ over
 *
 * Invariants: the file is finished only by a message with `finish` before the
 * half-close, and only after everything kept was written. However the call
 * ends, written bytes are made durable and stay.
 */
import { MIN_KEEP_ALIVE_MS } from '../../base/async/keep-alive.ts';
import { TransferError } from '../../base/errors.ts';
import { MAX_EMPTY_MESSAGES } from '../../base/limits.ts';
import type { WrittenBytes } from '../../engine/jobs/job.ts';
import type { Sighted, StreamSight } from '../../engine/stream-sight.ts';
import type { UploadListener, UploadPipeline } from '../../engine/upload/upload-pipeline.ts';
import type { UploadCall, UploadReceiver } from '../../flow/calls/upload-call.ts';
import type { ExpectedContent, UploadWriter } from '../../storage/upload-store.ts';
import type { UploadFileRequest, UploadFileResponse } from '../../wire/messages.ts';
import { safeInteger } from '../../wire/safe-integer.ts';
import type { ServiceContext } from '../context.ts';
import { fileInfoOf } from '../file-info.ts';
import type { AdmittedCall } from '../prelude/admitted-call.ts';
import type { RequestFacts } from '../prelude/request-log.ts';
import type { LiveUpload } from './live-uploads.ts';
import { type RangeWriter, takenOver } from './upload-claims.ts';
import { chunkOf, expectedOf, type PlacedChunk, specOf } from './upload-fields.ts';

type Call = UploadCall<UploadFileRequest, UploadFileResponse>;

/** Handles one call; resolves with the response, rejects with the error that ended it. */
export async function uploadFile(
  context: ServiceContext,
  call: Call,
  { facts, owner }: AdmittedCall,
): Promise<UploadFileResponse> {
  return await new UploadStream(context, call, facts, owner).run();
}

class UploadStream implements UploadReceiver<UploadFileRequest>, UploadListener, RangeWriter, Sighted {
  start = 0;
  next = 0;
  readonly #context: ServiceContext;
  readonly #call: Call;
  readonly #facts: RequestFacts;
  readonly #owner: string | null;
  /** Set by the first message; never rejects. */
  #opening: Promise<void> | null = null;
  #isOver = false;
  #live: LiveUpload | null = null;
  #writer: UploadWriter | null = null;
  #pipeline: UploadPipeline | null = null;
  /** Before the upload is open: the memory of the first chunk. */
  #firstChunk: Uint8Array | null = null;
  #hasChunk = false;
  /** In a row, and each soon behind the last. */
  #emptyMessages = 0;
  #emptyAtMs = 0;
  /** A chunk waits for older streams to end. */
  #isYielding = false;
  #finish: { expected: ExpectedContent } | null = null;
  #resolveEnd!: () => void;
  #rejectEnd!: (error: TransferError) => void;
  /** Settles when the sender has half-closed, or the stream has failed. */
  readonly #end: Promise<void>;

  constructor(context: ServiceContext, call: Call, facts: RequestFacts, owner: string | null) {
    this.#context = context;
    this.#call = call;
    this.#facts = facts;
    this.#owner = owner;
    this.#end = new Promise((resolve, reject) => {
      this.#resolveEnd = resolve;
      this.#rejectEnd = reject;
    });
    this.#end.catch(() => {});
  }

  async run(): Promise<UploadFileResponse> {
    this.#call.onClose(() => this.failed(new TransferError('CANCELLED', 'the client ended the call')));
    this.#call.start(this);
    try {
      await this.#end;
      return await this.#complete();
    } finally {
      await this.#leave();
    }
  }

  // Called by the call.

  reserve(bytes: number): Uint8Array | null {
    if (this.#pipeline !== null) return this.#pipeline.reserve(bytes);
    this.#firstChunk = Buffer.allocUnsafeSlow(bytes);
    return this.#firstChunk;
  }

  message(message: UploadFileRequest, chunkBytes: number): void {
    if (this.#pipeline !== null) {
      this.#take(message, chunkBytes);
      return;
    }
    if (this.#opening !== null)
      throw new TransferError('INTERNAL', 'a message came while the upload was being opened');
    this.#call.pause();
    this.#opening = this.#open(message)
      .then(() => this.#takeFirst(message, chunkBytes))
      .catch((error: unknown) => this.failed(TransferError.from(error)));
  }

  ended(): void {
    if (this.#pipeline === null) this.failed(new TransferError('INVALID_ARGUMENT', NO_UPLOAD));
    else this.#resolveEnd();
  }

  /** Also called by the pipeline, whose slabs go to others: the call must not write to them any more. */
  failed(error: TransferError): void {
    this.#isOver = true;
    this.#rejectEnd(error);
    this.#call.discard();
    this.#pipeline?.fail(error);
  }

  // Called by the engine.

  memoryIsFree(): void {
    this.#call.proceed();
  }

  moveChunk(memory: Uint8Array): void {
    this.#call.moveChunk(memory);
  }

  written(ranges: readonly WrittenBytes[]): void {
    for (const range of ranges) this.#live?.upload.written(range);
  }

  async yieldTo(error: TransferError): Promise<void> {
    this.failed(error);
    await this.#pipeline?.close();
  }

  sight(nowMs: number): StreamSight {
    const moving = (this.#pipeline as UploadPipeline).sight(nowMs);
    const { expectedSize } = this.#live?.upload ?? {};
    const size = expectedSize === undefined ? undefined : expectedSize - this.start;
    return { ...moving, start: this.start, size, wireBytes: this.#facts.wireBytes ?? 0 };
  }

  async endBehindReceived(error: TransferError): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    // What has come of a chunk stays out: its memory must not be written to any more.
    this.#call.discard();
    await this.#pipeline?.flush().catch(() => {});
    this.failed(error);
  }

  async #open(first: UploadFileRequest): Promise<void> {
    const { uploads } = this.#context;
    const found = await (first.start === null ? uploads.find(first.uploadId) : this.#startOwn(first));
    if (this.#isOver) return;
    const live = uploads.joined(found);
    const { upload } = live;
    this.#live = live;
    live.claims.join(this);
    this.#facts.file = upload.name;
    this.#facts.upload = upload.id;
    this.#writer = await upload.openWriter((error) => this.failed(TransferError.from(error)));
    this.#pipeline = this.#context.engine.receiveUpload(this.#writer.sink, this, this.#context.share);
    this.start = upload.state().committedSize;
    this.next = this.start;
    this.#facts.moving = this;
  }

  async #startOwn({ uploadId, start }: UploadFileRequest) {
    if (uploadId !== '') {
      throw new TransferError('INVALID_ARGUMENT', 'give upload_id or start, not both');
    }
    const upload = await this.#context.uploads.start(specOf(start as NonNullable<typeof start>), this.#owner);
    this.#call.sendHeader('sluice-upload-id', upload.id);
    return upload;
  }

  /** The first chunk arrived before there was a pipeline to receive it. */
  #takeFirst(message: UploadFileRequest, chunkBytes: number): void {
    if (this.#isOver) return;
    if (chunkBytes > 0) this.#pipeline?.adopt(this.#firstChunk as Uint8Array);
    this.#firstChunk = null;
    this.#take(message, chunkBytes);
    if (!this.#isYielding) this.#call.proceed();
  }

  #take(message: UploadFileRequest, chunkBytes: number): void {
    if (this.#finish !== null) {
      throw new TransferError(
        'INVALID_ARGUMENT',
        'a message follows the one with finish, which must be the last',
      );
    }
    if (message.finish) this.#finish = { expected: expectedOf(message.expected) };
    const offset = this.#offsetOf(message);
    if (chunkBytes === 0) {
      this.#takeEmpty();
      return;
    }
    this.#emptyMessages = 0;
    const chunk = chunkOf(message, chunkBytes, offset, this.#context.chunk.maxSize);
    this.#note(chunk);
    this.#live?.upload.checkQuota(offset, chunk.rawBytes);
    this.#hasChunk = true;
    this.#place(chunk);
  }

  /** A message without a chunk may carry fields or keep the call alive; a thousand in a row and in haste are abuse. */
  #takeEmpty(): void {
    const nowMs = performance.now();
    if (nowMs - this.#emptyAtMs >= KEEP_ALIVE_APART_MS) this.#emptyMessages = 0;
    this.#emptyAtMs = nowMs;
    this.#emptyMessages += 1;
    if (this.#emptyMessages <= MAX_EMPTY_MESSAGES) return;
    throw new TransferError(
      'INVALID_ARGUMENT',
      `more than ${MAX_EMPTY_MESSAGES} messages in a row carry nothing and come in haste; send chunks, or half-close`,
    );
  }

  #note({ codec, rawBytes, wireBytes }: PlacedChunk): void {
    this.#context.counters.receivedBytes.add(rawBytes, 'raw', codec);
    this.#context.counters.receivedBytes.add(wireBytes, 'wire', codec);
    const facts = this.#facts;
    facts.wireBytes = (facts.wireBytes ?? 0) + wireBytes;
    facts.codecs ??= {};
    facts.codecs[codec] = (facts.codecs[codec] ?? 0) + rawBytes;
  }

  /** The offset of the chunk: within a call, chunks are contiguous. */
  #offsetOf(message: UploadFileRequest): number {
    const offset = message.offset === undefined ? this.next : safeInteger(message.offset, 'offset');
    if (!this.#hasChunk) this.#begin(offset);
    if (offset > this.next) throw gap(offset, this.next);
    return offset;
  }

  /** The first chunk may lie anywhere in a file of known size; otherwise it continues the file. */
  #begin(offset: number): void {
    const { upload } = this.#live as LiveUpload;
    const { expectedSize } = upload;
    if (expectedSize === undefined) {
      const [gapBefore] = upload.missing(0, offset);
      if (gapBefore !== undefined) throw gap(offset, gapBefore.start);
    } else if (offset > expectedSize) {
      throw new TransferError(
        'OUT_OF_RANGE',
        `offset ${offset} lies beyond the declared size of ${expectedSize}`,
      );
    }
    this.start = offset;
    this.next = offset;
  }

  /** Keeps the missing ranges of the chunk, once no older stream writes there. */
  #place(chunk: PlacedChunk): void {
    const { upload, claims } = this.#live as LiveUpload;
    const pipeline = this.#pipeline as UploadPipeline;
    const end = chunk.offset + chunk.rawBytes;
    if (chunk.offset < this.start && upload.missing(chunk.offset, Math.min(this.start, end)).length > 0) {
      throw new TransferError(
        'INVALID_ARGUMENT',
        `the chunk at offset ${chunk.offset} lies before the first of its call at ${this.start}; chunks go in order`,
      );
    }
    // Bytes that this stream has submitted are not taken twice, written or not.
    const ranges = upload.missing(Math.max(chunk.offset, Math.min(this.next, end)), end);
    const met = ranges.flatMap((range) => claims.metBy(this, range.start, range.end));
    if (met.length > 0) {
      this.#waitFor(met, chunk);
      return;
    }
    this.next = Math.max(this.next, end);
    if (ranges.length === 0) pipeline.drop();
    else pipeline.keep({ ...chunk, ranges });
  }

  #waitFor(older: readonly RangeWriter[], chunk: PlacedChunk): void {
    this.#isYielding = true;
    this.#call.pause();
    Promise.all(older.map((writer) => writer.yieldTo(takenOver())))
      .then(() => {
        for (const writer of older) this.#live?.claims.leave(writer);
        this.#isYielding = false;
        this.#place(chunk);
        if (!this.#isYielding) this.#call.proceed();
      })
      .catch((error: unknown) => this.failed(TransferError.from(error)));
  }

  async #complete(): Promise<UploadFileResponse> {
    const { upload } = this.#live as LiveUpload;
    await this.#pipeline?.flush();
    this.#facts.rawBytes = this.#pipeline?.writtenBytes ?? 0;
    if (this.#finish === null) {
      await upload.sync();
      return { uploadId: upload.id, committedSize: upload.state().committedSize, file: null };
    }
    // `finish` ends all writers of the upload; this one is done.
    await this.#writer?.close();
    // Without a declared size, the file ends where the sender ends.
    const size = upload.expectedSize ?? this.next;
    const file = await this.#context.uploads.finish(upload, { size, ...this.#finish.expected });
    return { uploadId: upload.id, committedSize: file.size, file: fileInfoOf(file) };
  }

  /** Closes the descriptor after the last job, and makes written bytes durable for a later resume. */
  async #leave(): Promise<void> {
    await this.#opening;
    const live = this.#live;
    if (live === null) return;
    await this.#pipeline?.close();
    this.#facts.rawBytes = this.#pipeline?.writtenBytes ?? 0;
    live.claims.leave(this);
    this.#context.uploads.left(live);
    await live.upload.sync().catch(() => {
      // The store has told every writer; a resume sees the committed size.
    });
    await this.#writer?.close();
  }
}

/** Keep-alive messages are no closer; half of the shortest silence, because they may arrive early and late. */
const KEEP_ALIVE_APART_MS = MIN_KEEP_ALIVE_MS / 2;

function gap(offset: number, expected: number): TransferError {
  return new TransferError(
    'GAP',
    `the chunk at offset ${offset} leaves a gap; send from offset ${expected} on`,
  );
}

const NO_UPLOAD = 'the call ended before its first message; name the upload in it, or start one';
