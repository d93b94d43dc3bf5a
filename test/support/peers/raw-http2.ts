/** gRPC by bare node:http2: windows that never open, resets at any moment, requests no gRPC library would send. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type Settings } from 'node:http2';
import { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { methodOf } from './raw-client.ts';

export interface RawAnswer {
  /** Of the headers and the trailers. */
  headers: Record<string, unknown>;
  body: Buffer;
  /** The HTTP/2 error code that the stream was closed with; 0 for none. */
  resetCode: number;
}

/** Of a server over TLS, its authority; of a client, its token. */
export interface Proof {
  readonly ca: Buffer;
  readonly token: string;
}

/** TLS over `socket`, for HTTP/2. */
export function overTls(socket: Socket, { ca }: Proof): Socket {
  socket.on('error', () => {});
  return connectTls({ socket, ca, servername: 'localhost', ALPNProtocols: ['h2'] }).on('error', () => {});
}

export class RawSession {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
  readonly #headers: Record<string, string>;

  /** @param proof with it, over TLS and as whoever the token proves */
  constructor(
    t: TestContext,
    port: number,
    settings: Settings = {},
    localAddress = '127.0.0.1',
    proof?: Proof,
  ) {
    const socket = new Socket().connect({ port, host: '127.0.0.1', localAddress });
    this.socket = proof === undefined ? socket : overTls(socket, proof);
    this.#headers = proof === undefined ? {} : { authorization: `Bearer ${proof.token}` };
    const scheme = proof === undefined ? 'http' : 'https';
    const createConnection = () => this.socket;
    this.session = connect(`${scheme}://127.0.0.1:${port}`, { settings, createConnection });
    this.session.on('error', () => {});
    t.after(() => this.session.destroy());
  }

  /** Sends a request; `body` are the bytes after the headers, frame and all. */
  request(method: string, body: Buffer, headers: Record<string, string> = {}): ClientHttp2Stream {
    const stream = this.open(method, headers);
    stream.end(body);
    return stream;
  }

  /** Sends the headers of a request. */
  open(method: string, headers: Record<string, string> = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': method.startsWith('/') ? method : `/sluice.v1.TransferService/${method}`,
      te: 'trailers',
      'content-type': 'application/grpc',
      ...this.#headers,
      ...headers,
    });
    stream.on('error', () => {});
    return stream;
  }

  call(method: string, request: object): ClientHttp2Stream {
    return this.request(method, framed(methodOf(method).requestSerialize(request)));
  }

  destroy(): void {
    this.session.destroy();
  }
}

/** One gRPC message as it stands in DATA. */
export function framed(message: Uint8Array, isCompressed = false): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt8(isCompressed ? 1 : 0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Reads a stream to whatever end it has. */
export function answerOf(stream: ClientHttp2Stream): Promise<RawAnswer> {
  const answer: RawAnswer = { headers: {}, body: Buffer.alloc(0), resetCode: 0 };
  const parts: Buffer[] = [];
  stream.on('response', (headers) => Object.assign(answer.headers, headers));
  stream.on('trailers', (headers) => Object.assign(answer.headers, headers));
  stream.on('data', (bytes: Buffer) => parts.push(bytes));
  return new Promise((resolve) => {
    stream.on('close', () => {
      answer.body = Buffer.concat(parts);
      answer.resetCode = stream.rstCode;
      resolve(answer);
    });
  });
}
