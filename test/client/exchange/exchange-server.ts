/**
 * A real gRPC server that speaks Exchange from memory, notes what a client must
 * not do, and misbehaves on request: whatever is about to be sent goes through
 * `onSend`, which may change it, add to it, or end the stream instead.
 */
import { once } from 'node:events';
import { constants } from 'node:http2';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { TransferError } from '../../../src/base/errors.ts';
import { serverStreamOf } from '../../../src/flow/calls/call-stream.ts';
import { crc32 } from '../../../src/wire/crc32.ts';
import type {
  ExchangeLimits,
  ExchangeRequest,
  ExchangeResponse,
  Failure,
  ListFilesResponse,
  ReadPackRequest,
  StreamFileRequest,
  StreamFileResponse,
  WritePackRequest,
  WriteResult,
  WrittenFile,
} from '../../../src/wire/messages.ts';
import { transferService } from '../../../src/wire/service.ts';
import { failureOf, statusOf } from '../../../src/wire/status.ts';
import { infoOf, type ScriptedFile } from '../download/honest-messages.ts';

type Call = ServerDuplexStream<ExchangeRequest, Partial<ExchangeResponse>>;
export type Answer = Partial<ExchangeResponse>;

/** How a stream is lost. */
export type Loss = 'cut' | 'reset' | 'ok' | TransferError;

/** Answers in the place of the one that was to be sent, and what then becomes of the stream. */
export interface Sending {
  answers: readonly Answer[];
  loss?: Loss;
}

interface Open {
  credit: number;
  /** Sends the next answer where credit allows; false once it has nothing to send for now. */
  step: () => boolean;
}

const LIMITS: ExchangeLimits = {
  maxRequests: 100,
  maxCredit: 4 * 1024 * 1024,
  maxPackFiles: 256,
  maxPackSize: 1024 * 1024,
  takesPings: false,
  acceptedCodecs: [],
};

export class ExchangeServer {
  readonly files = new Map<string, ScriptedFile>();
  readonly directories: string[] = [];
  limits: ExchangeLimits = LIMITS;
  chunkBytes = 16 * 1024;
  compresses = false;
  /** Of a listing. */
  names: string[] = [];
  /** Requests with something that is asked, cancels and grants, of all streams. */
  readonly requests: ExchangeRequest[] = [];
  /** What no client may do. */
  readonly violations: string[] = [];
  readonly streams: ExchangeStream[] = [];
  /** Answers sent so far, limits included. */
  sent = 0;
  onSend: (stream: ExchangeStream, answer: Answer) => Sending = (_stream, answer) => ({ answers: [answer] });
  /** What a write does beside being done. */
  onWrite: (stream: ExchangeStream) => void = () => {};
  address = '';
  /** The version of the next file that is written. */
  #versions = 0;
  readonly #grpc = new Server({ 'grpc.max_receive_message_length': -1 });
  readonly #tcp: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor() {
    this.#grpc.addService(transferService, {
      Exchange: (call: Call) => this.streams.push(new ExchangeStream(this, call)),
    });
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tcp = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
      injector.injectConnection(socket);
    });
  }

  static async start(t: TestContext, files: Record<string, ScriptedFile> = {}): Promise<ExchangeServer> {
    const server = new ExchangeServer();
    for (const [name, file] of Object.entries(files)) server.files.set(name, file);
    server.#tcp.listen(0, '127.0.0.1');
    await once(server.#tcp, 'listening');
    server.address = `127.0.0.1:${(server.#tcp.address() as net.AddressInfo).port}`;
    t.after(() => server.close());
    return server;
  }

  /** Requests that are open on any stream. */
  get open(): number {
    return this.streams.reduce((sum, { openIds }) => sum + openIds.length, 0);
  }

  /** Granted and not used, of all that is open. */
  get credit(): number {
    return this.streams.reduce((sum, stream) => sum + stream.credit, 0);
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Safe to call twice. */
  close(): void {
    this.#tcp.close();
    this.cutConnections();
    this.#grpc.forceShutdown();
  }

  /** Requests of one kind. */
  asked(
    kind: 'read' | 'readPack' | 'stat' | 'list' | 'write' | 'makeDirectory' | 'cancel',
  ): ExchangeRequest[] {
    return this.requests.filter((request) => Boolean(request[kind]));
  }

  nextVersion(): string {
    this.#versions += 1;
    return `w${this.#versions}`;
  }
}

export class ExchangeStream {
  readonly #server: ExchangeServer;
  readonly #call: Call;
  readonly #open = new Map<number, Open>();
  #lastId = 0;
  #isOver = false;
  #isHalfClosed = false;
  #isStepping = false;

  constructor(server: ExchangeServer, call: Call) {
    this.#server = server;
    this.#call = call;
    call.on('error', () => {});
    call.on('cancelled', () => this.#over());
    call.on('close', () => this.#over());
    call.on('data', (request: ExchangeRequest) => this.#onRequest(request));
    call.on('end', () => {
      this.#isHalfClosed = true;
      this.#endIfDone();
    });
    this.send({ id: 0, limits: server.limits });
  }

  get openIds(): number[] {
    return [...this.#open.keys()];
  }

  get credit(): number {
    return [...this.#open.values()].reduce((sum, { credit }) => sum + credit, 0);
  }

  /** Sends an answer, as `onSend` wants it. False when the stream is over. */
  send(answer: Answer): boolean {
    if (this.#isOver) return false;
    const { answers, loss } = this.#server.onSend(this, answer);
    for (const each of answers) this.#call.write(each);
    this.#server.sent += answers.length;
    if (loss !== undefined) this.lose(loss);
    return !this.#isOver;
  }

  /** Ends a request before its time. */
  endRequest(id: number, error: TransferError): void {
    this.#end(id, failureOf(error));
  }

  lose(loss: Loss): void {
    this.#over();
    if (loss === 'cut') this.#server.cutConnections();
    else if (loss === 'reset') serverStreamOf(this.#call)?.close(constants.NGHTTP2_INTERNAL_ERROR);
    else if (loss === 'ok') this.#call.end();
    else this.#call.emit('error', statusOf(loss));
  }

  #over(): void {
    this.#isOver = true;
    this.#open.clear();
  }

  #onRequest(request: ExchangeRequest): void {
    if (this.#isOver) return;
    const { cancel, credit, id } = request;
    this.#server.requests.push(request);
    if (id > this.#lastId) {
      this.#lastId = id;
      this.#begin(request);
    } else if (cancel) {
      if (this.#open.has(id))
        this.#end(id, failureOf(new TransferError('CANCELLED', 'the client cancelled it')));
    } else {
      const open = this.#open.get(id);
      if (open !== undefined) this.#credit(id, open, credit);
    }
    this.#steps();
  }

  #credit(id: number, open: Open, credit: number): void {
    open.credit += credit;
    const { maxCredit } = this.#server.limits;
    if (open.credit > maxCredit) this.#server.violations.push(`request ${id} has credit of ${open.credit}`);
  }

  #begin(request: ExchangeRequest): void {
    const { id, list, makeDirectory, read, readPack, stat, write } = request;
    const { limits, violations } = this.#server;
    if (this.#open.size >= limits.maxRequests) violations.push(`request ${id} is one too many`);
    const open: Open = { credit: 0, step: () => false };
    this.#open.set(id, open);
    this.#credit(id, open, request.credit);
    try {
      if (read) open.step = this.#read(id, open, read);
      else if (readPack) open.step = this.#readPack(id, open, readPack);
      else if (list) open.step = this.#list(id, open, Number(Buffer.from(list.after).toString() || '0'));
      else if (stat) this.#answer(id, { info: infoOf(stat.fileName, this.#find(stat.fileName)) });
      else if (write) this.#write(id, write);
      else if (makeDirectory) {
        this.#server.directories.push(makeDirectory.fileName);
        this.#end(id, null);
      } else violations.push(`request ${id} asks for nothing`);
    } catch (reason) {
      this.#end(id, failureOf(TransferError.from(reason)));
    }
  }

  #find(name: string): ScriptedFile {
    const file = this.#server.files.get(name);
    if (file === undefined) throw new TransferError('NOT_FOUND', `there is no file ${name}`);
    return file;
  }

  #answer(id: number, answer: Answer): void {
    if (this.send({ id, ...answer })) this.#end(id, null);
  }

  #end(id: number, failure: Failure | null): void {
    if (!this.#open.delete(id)) return;
    this.send({ id, end: { failure } });
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#isHalfClosed && !this.#isOver && this.#open.size === 0) this.#call.end();
  }

  /** One answer of each request after the other, each in a turn of the event loop. */
  #steps(): void {
    if (this.#isStepping || this.#isOver) return;
    this.#isStepping = true;
    setImmediate(() => {
      this.#isStepping = false;
      let isMore = false;
      for (const { step } of this.#open.values()) if (step()) isMore = true;
      if (isMore) this.#steps();
    });
  }

  #read(id: number, open: Open, request: StreamFileRequest): () => boolean {
    const { fileName, ifMatch, limit, start } = request;
    const file = this.#find(fileName);
    if (ifMatch !== '' && ifMatch !== file.version) {
      throw new TransferError('VERSION_MISMATCH', `${fileName} has changed`, { version: file.version });
    }
    if (start > file.content.byteLength) throw new TransferError('OUT_OF_RANGE', `${fileName} is shorter`);
    const content = file.content.subarray(0, limit === undefined ? undefined : start + limit);
    return this.#stepRange(id, open, { content, start, request, first: { file: infoOf(fileName, file) } });
  }

  #readPack(id: number, open: Open, request: ReadPackRequest): () => boolean {
    if (request.files.length > this.#server.limits.maxPackFiles)
      this.#server.violations.push('a pack too many');
    const parts = request.files.flatMap(({ fileName, size, version }) => {
      const file = this.#server.files.get(fileName);
      const isAsAsked = file?.version === version && file.content.byteLength === size;
      return isAsAsked ? [Buffer.of(0), file.content] : [Buffer.of(1), Buffer.alloc(size, 0xee)];
    });
    return this.#stepRange(id, open, {
      content: Buffer.concat(parts),
      start: request.start,
      request,
      first: undefined,
    });
  }

  #stepRange(
    id: number,
    open: Open,
    range: {
      content: Buffer;
      start: number;
      request: Pick<StreamFileRequest, 'chunkSize' | 'acceptedCodecs'>;
      first: Partial<StreamFileResponse> | undefined;
    },
  ): () => boolean {
    const { content, first, request, start } = range;
    let offset = start;
    let isNamed = first === undefined;
    return () => {
      if (!isNamed) {
        isNamed = true;
        return this.send({ id, data: first as StreamFileResponse });
      }
      const bytes = Math.min(
        this.#server.chunkBytes,
        request.chunkSize,
        open.credit,
        content.byteLength - offset,
      );
      if (offset < content.byteLength && bytes <= 0) return false;
      if (bytes <= 0) {
        const size = content.byteLength - start;
        const summary = { offset: start, size, crc32: crc32(content.subarray(start)) };
        this.#answer(id, { data: { summary } as StreamFileResponse });
        return false;
      }
      const raw = content.subarray(offset, offset + bytes);
      const data = { ...this.#coded(raw, request), offset, rawSize: bytes, crc32: crc32(raw) };
      offset += bytes;
      open.credit -= bytes;
      return this.send({ id, data: data as StreamFileResponse });
    };
  }

  #coded(
    raw: Buffer,
    { acceptedCodecs }: Pick<StreamFileRequest, 'acceptedCodecs'>,
  ): Partial<StreamFileResponse> {
    if (!this.#server.compresses || acceptedCodecs.length === 0) return { chunk: raw };
    return { chunk: gzipSync(raw), compressed: true, codec: 'CODEC_GZIP' };
  }

  #list(id: number, open: Open, from: number): () => boolean {
    let at = from;
    return () => {
      const name = this.#server.names[at];
      if (name === undefined) {
        this.#end(id, null);
        return false;
      }
      if (open.credit <= 0) return false;
      at += 1;
      const entry = { name, isDirectory: false, size: at, modifiedMs: 0, version: 'v' };
      const entries: ListFilesResponse = { entries: [entry], omitted: [], position: Buffer.from(String(at)) };
      open.credit -= transferService.ListFiles?.responseSerialize(entries).byteLength ?? 0;
      return this.send({ id, entries });
    };
  }

  #write(id: number, { content, crc32: crc, files }: WritePackRequest): void {
    if (crc !== undefined && crc32(content) !== crc)
      throw new TransferError('CHECKSUM_MISMATCH', 'other bytes');
    let at = 0;
    const results = files.map((file) => {
      const bytes = Buffer.from(content.subarray(at, at + file.size));
      at += file.size;
      return this.#writeFile(file, bytes);
    });
    this.#server.onWrite(this);
    this.#answer(id, { written: { results } });
  }

  #writeFile({ fileName, ifMatch, overwrite }: WrittenFile, content: Buffer): WriteResult {
    const there = this.#server.files.get(fileName);
    if (overwrite === 'OVERWRITE_NEVER' && there !== undefined) {
      return refused(new TransferError('ALREADY_EXISTS', `${fileName} exists`));
    }
    if (overwrite === 'OVERWRITE_VERSION' && there?.version !== ifMatch) {
      return refused(new TransferError('VERSION_MISMATCH', `${fileName} has changed`));
    }
    const version = this.#server.nextVersion();
    this.#server.files.set(fileName, { content, version });
    return { version, failure: null };
  }
}

function refused(error: TransferError): WriteResult {
  return { version: '', failure: failureOf(error) };
}
