/**
 * A real gRPC server that speaks the contract from memory and misbehaves on
 * request. Each StreamFile call takes the next script; without one it is served
 * honestly. Connections are ours, so that they can be cut.
 */
import { once } from 'node:events';
import { constants } from 'node:http2';
import net from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { TransferError } from '../../../src/base/errors.ts';
import { serverStreamOf } from '../../../src/flow/calls/call-stream.ts';
import type {
  GetFileSizeRequest,
  GetFileSizeResponse,
  ListEntry,
  ListFilesRequest,
  ListFilesResponse,
  StatFileRequest,
  StatFileResponse,
  StreamFileRequest,
} from '../../../src/wire/messages.ts';
import { transferService } from '../../../src/wire/service.ts';
import { statusOf } from '../../../src/wire/status.ts';
import { honestMessages, infoOf, type Message, type ScriptedFile } from './honest-messages.ts';

type StreamCall = ServerWritableStream<StreamFileRequest, Message>;

/** How a call ends: well, with a status, by a cut of the connection, by a reset of the stream, or never. */
export type Ending =
  | 'ok'
  | 'cut'
  | 'reset'
  | 'hang'
  | (TransferError & { pushbackMs?: number; isBare?: boolean });

export interface Script {
  /** Runs when the call arrives, before anything is sent. */
  before?: () => void | Promise<void>;
  /** Changes the honest messages. */
  messages?: (honest: Iterable<Message>) => Iterable<Message>;
  ending?: Ending;
}

export class ScriptedServer {
  readonly files = new Map<string, ScriptedFile>();
  /** Scripts of the StreamFile calls to come. */
  readonly scripts: Script[] = [];
  /** For every call without a script of its own. */
  defaultScript: Script = {};
  /** Every StreamFile request so far. */
  readonly requests: StreamFileRequest[] = [];
  listing: ListEntry[] = [];
  /** Knows only the four messages. */
  isPlain = false;
  compresses = false;
  /** StreamFile calls that have not ended. */
  openCalls = 0;
  /** `host:port`. */
  address = '';
  readonly #grpc = new Server();
  readonly #tcp: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor() {
    this.#grpc.addService(transferService, {
      GetFileSize: this.#getFileSize.bind(this),
      StatFile: this.#statFile.bind(this),
      StreamFile: (call: StreamCall) => void this.#streamFile(call),
      ListFiles: this.#listFiles.bind(this),
    });
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tcp = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
      injector.injectConnection(socket);
    });
  }

  /** Listens on `port`, or any free one. */
  static async start(files: Record<string, ScriptedFile> = {}, port = 0): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    for (const [name, file] of Object.entries(files)) server.files.set(name, file);
    server.#tcp.listen(port, '127.0.0.1');
    await once(server.#tcp, 'listening');
    server.address = `127.0.0.1:${server.port}`;
    return server;
  }

  get port(): number {
    return (this.#tcp.address() as net.AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    if (!this.#tcp.listening) return;
    const closed = once(this.#tcp, 'close');
    this.#tcp.close();
    this.cutConnections();
    this.#grpc.forceShutdown();
    await closed;
  }

  #find(name: string): ScriptedFile {
    const file = this.files.get(name);
    if (file === undefined) throw new TransferError('NOT_FOUND', `there is no file ${name}`);
    return file;
  }

  #getFileSize(
    call: ServerUnaryCall<GetFileSizeRequest, GetFileSizeResponse>,
    done: sendUnaryData<Partial<GetFileSizeResponse>>,
  ): void {
    try {
      const { content, version } = this.#find(call.request.fileName);
      done(null, this.isPlain ? { size: content.byteLength } : { size: content.byteLength, version });
    } catch (reason) {
      done(statusOf(TransferError.from(reason)));
    }
  }

  #statFile(
    call: ServerUnaryCall<StatFileRequest, StatFileResponse>,
    done: sendUnaryData<StatFileResponse>,
  ): void {
    try {
      done(null, { file: infoOf(call.request.fileName, this.#find(call.request.fileName)) });
    } catch (reason) {
      done(statusOf(TransferError.from(reason)));
    }
  }

  #listFiles(call: ServerWritableStream<ListFilesRequest, ListFilesResponse>): void {
    const entries = this.listing.filter(({ name }) => name.startsWith(call.request.prefix));
    for (const entry of entries) call.write({ entries: [entry], omitted: [], position: new Uint8Array(0) });
    call.end();
  }

  async #streamFile(call: StreamCall): Promise<void> {
    this.requests.push(call.request);
    this.openCalls += 1;
    const isOver = new Promise<void>((resolve) => {
      call.once('close', resolve).once('cancelled', resolve);
    }).then(() => {
      this.openCalls -= 1;
    });
    call.on('error', () => {});
    const script = this.scripts.shift() ?? this.defaultScript;
    try {
      await script.before?.();
      const file = this.#find(call.request.fileName);
      const honest = honestMessages(call.request, file, this);
      for (const message of script.messages?.(honest) ?? honest) {
        if (call.cancelled) return;
        const isSent = new Promise<void>((resolve) => call.write(message, () => resolve()));
        await Promise.race([isSent, isOver]);
      }
      this.#end(call, script.ending ?? 'ok');
    } catch (reason) {
      call.emit('error', statusOf(TransferError.from(reason)));
    }
  }

  #end(call: StreamCall, ending: Ending): void {
    if (ending === 'ok') call.end();
    else if (ending === 'cut') this.cutConnections();
    else if (ending === 'reset') serverStreamOf(call)?.close(constants.NGHTTP2_CANCEL);
    else if (ending !== 'hang') {
      const status = statusOf(ending);
      if (ending.pushbackMs !== undefined) {
        status.metadata.set('grpc-retry-pushback-ms', String(ending.pushbackMs));
      }
      // As a server that knows only gRPC's own codes.
      if (ending.isBare === true) status.metadata.remove('sluice-code');
      call.emit('error', status);
    }
  }
}
