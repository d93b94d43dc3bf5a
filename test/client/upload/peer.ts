/**
 * A real gRPC server that speaks the upload half of the contract from memory,
 * and misbehaves on request. Bytes are received first and durable after a sync,
 * so that a crash can lose some. Connections are ours, so that they can be cut.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { TransferError } from '../../../src/base/errors.ts';
import { missingRanges } from '../../../src/base/ranges.ts';
import { decodeChunkSync } from '../../../src/wire/chunk-decoder.ts';
import { codecInContract, codecOfChunk } from '../../../src/wire/codec.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import type {
  Codec,
  Expected,
  FileInfo,
  GetUploadStatusRequest,
  GetUploadStatusResponse,
  Part,
  StartUploadRequest,
  StartUploadResponse,
  UploadFileRequest,
  UploadFileResponse,
} from '../../../src/wire/messages.ts';
import { transferService } from '../../../src/wire/service.ts';
import { statusOf } from '../../../src/wire/status.ts';

export interface PeerFile {
  content: Buffer;
  version: string;
}

interface PeerUpload {
  readonly id: string;
  readonly request: StartUploadRequest;
  /** What has come, with room behind it where the size is not known. */
  content: Buffer;
  bytes: number;
  received: Part[];
  durable: Part[];
  file: FileInfo | undefined;
}

/** A chunk as it came. */
export interface PeerChunk {
  offset: number;
  /** Decompressed. */
  bytes: number;
  wireBytes: number;
  codec: string;
  hasCrc: boolean;
  /** The connection. */
  peer: string;
}

/** How one UploadFile call goes wrong. */
export interface CallFault {
  /** After so many bytes of chunks; default at once. */
  afterBytes?: number;
  /**
   * - an error: the call ends with it
   * - `cut`: all connections are cut
   * - `crash`: the same, and what was not durable is gone
   * - `hang`: nothing is read any more
   * - `lose answer`: the call does its work, and the connection is cut instead of the answer
   */
  how: TransferError | 'cut' | 'crash' | 'hang' | 'lose answer';
}

type UploadCall = ServerReadableStream<UploadFileRequest, UploadFileResponse>;
type Done<Response> = sendUnaryData<Response>;

/** The status of an error; without a code of ours where the error is to be bare. */
function peerStatusOf(reason: unknown) {
  const status = statusOf(TransferError.from(reason));
  if ((reason as { isBare?: boolean }).isBare === true) status.metadata.remove('sluice-code');
  return status;
}

export class UploadPeer {
  readonly files = new Map<string, PeerFile>();
  readonly uploads = new Map<string, PeerUpload>();
  /** Faults of the UploadFile calls to come, in the order they arrive; undefined is an honest one. */
  readonly faults: (CallFault | undefined)[] = [];
  /** Errors of unary calls to come, by method. */
  readonly refusals: Record<string, TransferError[]> = {};
  /** Methods whose next answers are lost after the work is done. */
  readonly lostAnswers: string[] = [];
  /** The methods of all calls so far. */
  readonly calls: string[] = [];
  /** Every chunk message: what was sent, before any fault. */
  readonly chunks: PeerChunk[] = [];
  readonly starts: StartUploadRequest[] = [];
  /** Runs with each message of an UploadFile call. */
  onMessage: (message: UploadFileRequest) => void | Promise<void> = () => {};
  maxChunkBytes = 1024 * 1024;
  /** Only whole parts of this size become durable before the finish. */
  partBytes = 1;
  /** Whatever id a client asks for. */
  choosesIds = false;
  idPrefix = '';
  acceptedCodecs: (Codec | number)[] = ['CODEC_GZIP'];
  takesPings = true;
  /** Changes what is told of the state. */
  lie: (status: GetUploadStatusResponse) => GetUploadStatusResponse = (status) => status;
  /** `host:port`. */
  address = '';
  readonly #grpc = new Server({ 'grpc.max_receive_message_length': 8 * 1024 * 1024 });
  readonly #tcp: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #versions = 0;

  private constructor() {
    this.#grpc.addService(transferService, {
      StartUpload: this.#unary('StartUpload', (request: StartUploadRequest) => this.#start(request)),
      GetUploadStatus: this.#unary('GetUploadStatus', (request: GetUploadStatusRequest) =>
        this.#status(request),
      ),
      FinishUpload: this.#unary(
        'FinishUpload',
        (request: { uploadId: string; expected: Expected | null }) => ({
          file: this.#finish(this.#find(request.uploadId), request.expected),
        }),
      ),
      AbortUpload: this.#unary('AbortUpload', ({ uploadId }: { uploadId: string }) => {
        this.uploads.delete(uploadId);
        return {};
      }),
      DeleteFile: this.#unary(
        'DeleteFile',
        ({ fileName, ifMatch }: { fileName: string; ifMatch: string }) => {
          const file = this.files.get(fileName);
          if (file === undefined) throw new TransferError('NOT_FOUND', `there is no file ${fileName}`);
          if (ifMatch !== '' && ifMatch !== file.version) throw mismatch(file);
          this.files.delete(fileName);
          return {};
        },
      ),
      StatFile: this.#unary('StatFile', ({ fileName }: { fileName: string }) => {
        const file = this.files.get(fileName);
        if (file === undefined) throw new TransferError('NOT_FOUND', `there is no file ${fileName}`);
        return { file: infoOf(fileName, file) };
      }),
      UploadFile: (call: UploadCall, done: Done<UploadFileResponse>) => void this.#uploadFile(call, done),
      ListFiles: () => {},
      StreamFile: () => {},
      GetFileSize: () => {},
    });
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tcp = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
      injector.injectConnection(socket);
    });
  }

  static async start(t: TestContext): Promise<UploadPeer> {
    const peer = new UploadPeer();
    peer.#tcp.listen(0, '127.0.0.1');
    await once(peer.#tcp, 'listening');
    peer.address = `127.0.0.1:${(peer.#tcp.address() as net.AddressInfo).port}`;
    t.after(() => peer.close());
    return peer;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** The bytes of chunks sent to it, again ones included. */
  get receivedBytes(): number {
    return this.chunks.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  callsOf(method: string): number {
    return this.calls.filter((each) => each === method).length;
  }

  /** Takes no further connections; those there stay. */
  refuseConnections(): void {
    this.#tcp.close();
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What was not durable is gone. */
  crash(): void {
    for (const upload of this.uploads.values()) upload.received = [...upload.durable];
    this.cutConnections();
  }

  async close(): Promise<void> {
    const closed = this.#tcp.listening ? once(this.#tcp, 'close') : undefined;
    this.#tcp.close();
    this.cutConnections();
    this.#grpc.forceShutdown();
    await closed;
  }

  #unary<Request, Response>(method: string, work: (request: Request) => Response) {
    return (call: ServerUnaryCall<Request, Response>, done: Done<Response>): void => {
      this.calls.push(method);
      try {
        const refusal = this.refusals[method]?.shift();
        if (refusal !== undefined) throw refusal;
        const response = work(call.request);
        if (this.#losesAnswer(method)) this.cutConnections();
        else done(null, response);
      } catch (reason) {
        done(peerStatusOf(reason));
      }
    };
  }

  #losesAnswer(method: string): boolean {
    const at = this.lostAnswers.indexOf(method);
    if (at >= 0) this.lostAnswers.splice(at, 1);
    return at >= 0;
  }

  #find(id: string): PeerUpload {
    const upload = this.uploads.get(id);
    if (upload === undefined) throw new TransferError('UPLOAD_NOT_FOUND', 'there is no such upload');
    return upload;
  }

  #start(request: StartUploadRequest): StartUploadResponse {
    this.starts.push(request);
    const id = this.choosesIds ? this.idPrefix + randomUUID() : request.uploadId;
    if (!this.uploads.has(id)) {
      this.#checkCondition(request);
      const bytes = request.expected?.size ?? 0;
      const content = Buffer.alloc(bytes);
      this.uploads.set(id, { id, request, content, bytes, received: [], durable: [], file: undefined });
    }
    return {
      uploadId: id,
      maxChunkSize: this.maxChunkBytes,
      expiresMs: Date.now() + 86_400_000,
      acceptedCodecs: [...this.acceptedCodecs],
      takesPings: this.takesPings,
    };
  }

  #checkCondition({ fileName, ifMatch, overwrite }: StartUploadRequest): void {
    const file = this.files.get(fileName);
    if (overwrite === 'OVERWRITE_ALWAYS') return;
    if (overwrite === 'OVERWRITE_VERSION') {
      if (file?.version !== ifMatch) throw mismatch(file);
    } else if (file !== undefined) throw new TransferError('ALREADY_EXISTS', `${fileName} exists`);
  }

  #status({ sync, uploadId }: GetUploadStatusRequest): GetUploadStatusResponse {
    const upload = this.#find(uploadId);
    if (sync) upload.durable = this.#durableOf(upload);
    const [first] = upload.durable;
    const expectedSize = upload.request.expected?.size;
    return this.lie({
      fileName: upload.request.fileName,
      committedSize: first?.start === 0 ? first.end : 0,
      parts: upload.durable,
      ...(expectedSize === undefined ? {} : { expectedSize }),
      complete: upload.file !== undefined,
      file: upload.file ?? null,
      expiresMs: Date.now() + 86_400_000,
      acceptedCodecs: [...this.acceptedCodecs],
      maxChunkSize: this.maxChunkBytes,
      takesPings: this.takesPings,
    });
  }

  #durableOf({ received }: PeerUpload): Part[] {
    const { partBytes } = this;
    return received
      .map(({ start, end }) => ({ start, end: Math.floor(end / partBytes) * partBytes }))
      .filter(({ start, end }) => start < end);
  }

  #finish(upload: PeerUpload, expected: Expected | null): FileInfo {
    if (upload.file !== undefined) return upload.file;
    const { fileName } = upload.request;
    const known = { ...upload.request.expected, ...expected };
    const size = known.size ?? upload.bytes;
    const missing = missingRanges(upload.received, 0, size);
    const content = upload.content.subarray(0, size);
    if (missing.length > 0) throw wrong(`bytes are missing from ${missing[0]?.start} on`);
    if (upload.bytes !== size) throw wrong(`there are ${upload.bytes} bytes`);
    if (known.crc32 !== undefined && known.crc32 !== crc32(content)) throw wrong('the CRC-32 is another');
    const sha256 = createHash('sha256').update(content).digest();
    if (known.sha256 !== undefined && known.sha256.byteLength > 0 && !sha256.equals(known.sha256)) {
      throw wrong('the SHA-256 is another');
    }
    this.#checkCondition(upload.request);
    upload.durable = [...upload.received];
    this.#versions += 1;
    const file = { content, version: `v${this.#versions}` };
    this.files.set(fileName, file);
    upload.file = infoOf(fileName, file);
    return upload.file;
  }

  async #uploadFile(call: UploadCall, done: Done<UploadFileResponse>): Promise<void> {
    this.calls.push('UploadFile');
    const fault = this.faults.shift();
    call.on('error', () => {});
    try {
      if (fault?.how instanceof TransferError && fault.afterBytes === undefined) throw fault.how;
      const end = await this.#receive(call, fault);
      if (end === 'broken' || call.cancelled) return;
      const { file, upload } = end;
      if (file === null) upload.durable = this.#durableOf(upload);
      const [first] = upload.durable;
      const committedSize = first?.start === 0 ? first.end : 0;
      if (fault?.how === 'lose answer') this.cutConnections();
      else done(null, { uploadId: upload.id, committedSize, file });
    } catch (reason) {
      done(peerStatusOf(reason));
    }
  }

  async #receive(
    call: UploadCall,
    fault: CallFault | undefined,
  ): Promise<{ upload: PeerUpload; file: FileInfo | null } | 'broken'> {
    let upload: PeerUpload | undefined;
    let file: FileInfo | null = null;
    let bytes = 0;
    let at: number | undefined;
    for await (const message of call as AsyncIterable<UploadFileRequest>) {
      await this.onMessage(message);
      upload ??= this.#open(call, message);
      at = this.#take(call.getPeer(), upload, message, at);
      bytes += message.chunk.byteLength;
      if (fault !== undefined && bytes >= (fault.afterBytes ?? 0) && this.#breaks(fault)) return 'broken';
      if (!message.finish) continue;
      const refusal = this.refusals.FinishUpload?.shift();
      if (refusal !== undefined) throw refusal;
      file = this.#finish(upload, message.expected);
    }
    if (upload === undefined) throw new TransferError('INVALID_ARGUMENT', 'the call names no upload');
    return { upload, file };
  }

  /** False for a fault that comes later. */
  #breaks({ how }: CallFault): boolean {
    if (how instanceof TransferError) throw how;
    if (how === 'crash') this.crash();
    if (how === 'cut') this.cutConnections();
    return how !== 'lose answer';
  }

  #open(call: UploadCall, message: UploadFileRequest): PeerUpload {
    if (message.start === null) return this.#find(message.uploadId);
    const { uploadId } = this.#start(message.start);
    const metadata = new Metadata();
    metadata.set('sluice-upload-id', uploadId);
    call.sendMetadata(metadata);
    return this.#find(uploadId);
  }

  #decoded({ chunk, codec: said, compressed, rawSize }: UploadFileRequest): {
    codec: string;
    raw: Uint8Array;
  } {
    if (!compressed) return { codec: 'identity', raw: chunk };
    const codec = codecOfChunk(said);
    if (codec === undefined || !this.acceptedCodecs.includes(codecInContract(codec)))
      throw new TransferError('INVALID_ARGUMENT', `${said} was not accepted`);
    return { codec, raw: decodeChunkSync(chunk, codec, rawSize) };
  }

  /** Stores a chunk; returns where the next one is due. */
  #take(
    peer: string,
    upload: PeerUpload,
    message: UploadFileRequest,
    at: number | undefined,
  ): number | undefined {
    if (message.chunk.byteLength === 0) return at;
    const { codec, raw } = this.#decoded(message);
    const offset = message.offset ?? at ?? 0;
    const end = offset + raw.byteLength;
    this.chunks.push({
      offset,
      bytes: raw.byteLength,
      wireBytes: message.chunk.byteLength,
      codec,
      hasCrc: message.crc32 !== undefined,
      peer,
    });
    if (raw.byteLength > this.maxChunkBytes) throw new TransferError('INVALID_ARGUMENT', 'too large a chunk');
    if (message.crc32 !== undefined && message.crc32 !== crc32(raw)) {
      throw new TransferError('CHECKSUM_MISMATCH', 'the chunk has another CRC-32');
    }
    if (at !== undefined && offset !== at) throw new TransferError('GAP', `expected offset ${at}`);
    if (upload.request.expected?.size === undefined) {
      if (offset > upload.bytes) throw new TransferError('GAP', 'a stream has no gaps');
      // Twice as much each time: a copy for each chunk would soon take longer than the chunk, as a full link does.
      if (end > upload.content.byteLength)
        upload.content = Buffer.concat([upload.content], Math.max(end, 2 * upload.content.byteLength));
      upload.bytes = Math.max(upload.bytes, end);
    }
    upload.content.set(raw, offset);
    upload.received = joined([...upload.received, { start: offset, end }]);
    return end;
  }
}

function infoOf(name: string, { content, version }: PeerFile): FileInfo {
  return { name, size: content.byteLength, version, modifiedMs: 0, contentType: '' };
}

function mismatch(file: PeerFile | undefined): TransferError {
  const version = file === undefined ? {} : { version: file.version };
  return new TransferError('VERSION_MISMATCH', 'it has another version', version);
}

function wrong(how: string): TransferError {
  return new TransferError('CONTENT_MISMATCH', how);
}

/** Ascending, without overlaps. */
function joined(ranges: Part[]): Part[] {
  const result: Part[] = [];
  for (const range of ranges.sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else result.push({ ...range });
  }
  return result;
}
