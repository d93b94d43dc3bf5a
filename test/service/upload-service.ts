/** The transfer service on a real engine and a temporary store of uploads, and a client for it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Stream, connect } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Client,
  type ClientWritableStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { silentLogger } from '../../src/base/logger.ts';
import { PeerAddresses } from '../../src/base/peer-address.ts';
import { KIB } from '../../src/base/units.ts';
import type { Engine, EngineOptions } from '../../src/engine/engine.ts';
import { StaticWindows } from '../../src/flow/windows/static-windows.ts';
import { bindTransferService } from '../../src/service/bind.ts';
import { CallPrelude } from '../../src/service/prelude/call-prelude.ts';
import { LiveUploads } from '../../src/service/uploads/live-uploads.ts';
import type { UploadFileResponse } from '../../src/wire/messages.ts';
import { contract } from '../support/peers/raw-client.ts';
import { framed } from '../support/peers/raw-http2.ts';
import { MemoryStore } from '../support/stores/memory-store.ts';
import { type Scope, startEngine } from '../support/test-engine.ts';
import { until } from '../support/until.ts';

export const MAX_CHUNK_BYTES = 64 * KIB;

/** As a client writes them: what is left out has its default. */
export interface SentStart {
  fileName?: string;
  expected?: { size?: number; crc32?: number; sha256?: Uint8Array };
  overwrite?: string | number;
  ifMatch?: string;
}

export interface SentMessage {
  chunk?: Uint8Array;
  compressed?: boolean;
  offset?: number;
  rawSize?: number;
  crc32?: number;
  uploadId?: string;
  start?: SentStart;
  finish?: boolean;
  codec?: string | number;
  expected?: SentStart['expected'];
}

export interface UploadEnd {
  status: keyof typeof status;
  /** The trailer `sluice-code`; '' without one. */
  code: string;
  details: string;
  response: UploadFileResponse | undefined;
}

export interface SentUpload {
  call: ClientWritableStream<SentMessage>;
  end: Promise<UploadEnd>;
  /** The initial metadata. */
  header: Promise<Metadata>;
}

export interface ServiceOptions {
  direct?: boolean;
  /** Workers write to files, as for a local store; otherwise the store writes. Default: true. */
  byDescriptor?: boolean;
  engine?: Partial<EngineOptions>;
  uploadStreams?: number;
  calls?: number;
}

const { path, requestSerialize, responseDeserialize } = contract.UploadFile as (typeof contract)[string];

/** Slabs for three jobs, and three to receive into. */
const FEW: Partial<EngineOptions> = { slabCount: 6, slabBytes: MAX_CHUNK_BYTES };

export class UploadService {
  readonly store: MemoryStore;
  readonly engine: Engine;
  readonly sockets: Socket[] = [];
  prelude!: CallPrelude;
  readonly #scope: Scope;
  #client!: Client;
  #port = 0;

  private constructor(scope: Scope, store: MemoryStore, engine: Engine) {
    this.#scope = scope;
    this.store = store;
    this.engine = engine;
  }

  static async start(scope: Scope, options: ServiceOptions = {}): Promise<UploadService> {
    const engine = await startEngine(scope, { ...FEW, ...options.engine });
    const store = new MemoryStore(
      (options.byDescriptor ?? true) ? { partsDirectory: partsDirectory(scope) } : { latencyMs: 2 },
    );
    const service = new UploadService(scope, store, engine);
    await service.#listen(options);
    return service;
  }

  async #listen({ direct = true, uploadStreams = 1000, calls = 1000 }: ServiceOptions): Promise<void> {
    const server = new Server({ 'grpc.enable_channelz': 0 });
    this.prelude = new CallPrelude({
      limits: { calls, streams: 1000, uploadStreams, requests: 1000 },
      peers: new PeerAddresses(),
      logger: silentLogger,
      counters: this.engine.counters,
      access: null,
    });
    bindTransferService(server, this.prelude, {
      store: this.store,
      uploads: new LiveUploads(this.store),
      engine: this.engine,
      counters: this.engine.counters,
      zeroCopy: true,
      directReads: direct,
      draining: new AbortController().signal,
      uploadWindows: new StaticWindows(512 * KIB),
      chunk: { size: MAX_CHUNK_BYTES, maxSize: MAX_CHUNK_BYTES },
      compression: { mode: 'off', minSize: 0 },
      stallTimeoutMs: 60_000,
      stallLingerMs: 60_000,
    });
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    const listener = createServer((socket) => {
      this.sockets.push(socket);
      injector.injectConnection(socket);
    });
    this.#scope.after(() => {
      for (const socket of this.sockets) socket.destroy();
      listener.close();
      server.forceShutdown();
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    this.#port = (listener.address() as AddressInfo).port;
    this.#client = new Client(`127.0.0.1:${this.#port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
    this.#scope.after(() => this.#client.close());
  }

  get port(): number {
    return this.#port;
  }

  /** A call that the test writes to. */
  open(): SentUpload {
    let ended: (end: UploadEnd) => void = () => {};
    const end = new Promise<UploadEnd>((resolve) => (ended = resolve));
    const call = this.#client.makeClientStreamRequest(
      path,
      requestSerialize as (message: SentMessage) => Buffer,
      responseDeserialize,
      new Metadata(),
      (failure: ServiceError | null, response?: object) =>
        ended({
          status: status[failure?.code ?? status.OK] as keyof typeof status,
          code: String(failure?.metadata?.get('sluice-code')[0] ?? ''),
          details: failure?.details ?? '',
          response: response as UploadFileResponse | undefined,
        }),
    );
    call.on('error', () => {});
    const header = new Promise<Metadata>((resolve) => call.on('metadata', resolve));
    return { call, end, header };
  }

  /** One call with these messages. */
  send(messages: readonly SentMessage[]): Promise<UploadEnd> {
    const { call, end } = this.open();
    for (const message of messages) call.write(message);
    call.end();
    return end;
  }

  /** A stream on a connection of its own, whose bytes the test writes itself. */
  raw(): ClientHttp2Stream {
    const session = connect(`http://127.0.0.1:${this.#port}`);
    session.on('error', () => {});
    this.#scope.after(() => session.destroy());
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.resume();
    return stream;
  }

  /** Nobody holds anything any more: calls, pipelines, slabs, descriptors. */
  async untilIdle(): Promise<void> {
    await this.prelude.noneUnderWay();
    const state = () => ({
      ...this.engine.stats(),
      held: this.engine.slabs.held,
      writers: this.store.openWriters,
    });
    await until(
      'nothing is held',
      () => {
        const { uploads, jobsOutstanding, slabs, held, writers } = state();
        return uploads + jobsOutstanding + held + writers === 0 && slabs.free === slabs.count;
      },
      { state },
    );
  }
}

function partsDirectory(scope: Scope): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-uploads-'));
  scope.after(() => rmSync(path, { recursive: true }));
  return path;
}

export function framedMessage(message: SentMessage): Buffer {
  return framed(requestSerialize(message));
}
