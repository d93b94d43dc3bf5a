/**
 * An HTTP proxy before an object store that has what such stores have in bad
 * moments: refusals, lost answers, bodies that are cut, slow or of something else.
 */
import { once } from 'node:events';
import { Agent, request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

export type Fault =
  /** Refused, without effect. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** The effect is there and the answer is not: another one is, or none. */
  | { readonly kind: 'lost'; readonly status: number | undefined }
  /** The connection is reset, without effect. */
  | { readonly kind: 'reset' }
  /** A part of the body, and then the connection is cut. */
  | { readonly kind: 'cut'; readonly share: number }
  /** A part of the body, and then nothing more. */
  | { readonly kind: 'hang'; readonly share: number }
  /** The body in pieces with pauses. */
  | { readonly kind: 'slow'; readonly pauseMs: number }
  /** A header of the answer has another value. */
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  /** A bit of the body of the answer is another. */
  | { readonly kind: 'flip' }
  /** A bit of the body of the request is another. */
  | { readonly kind: 'damage' };

export interface ProxiedRequest {
  readonly method: string;
  /** Behind the bucket; '' for requests of the bucket itself. */
  readonly key: string;
  readonly headers: IncomingMessage['headers'];
}

interface Answer {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
}

const SLOW_PIECES = 8;

export class FaultProxy {
  /** What happens to a request. */
  fault: (request: ProxiedRequest) => Fault | undefined = () => undefined;
  /** Awaited before each request. */
  latencyMs = 0;
  /** How often each request was made: method, path and query, range. */
  readonly counts = new Map<string, number>();
  endpoint = '';
  readonly #target: URL;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  /** @param target the URL of the store */
  static async start(t: TestContext, target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    const server = createServer((request, response) => {
      // Who asked may be gone at any moment.
      proxy.#pass(request, response).catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(() => {
      server.close();
      server.closeAllConnections();
      proxy.#agent.destroy();
    });
    return proxy;
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = '', url = '/' } = request;
    const asked = `${method} ${url} ${headers.range ?? ''}`;
    this.counts.set(asked, (this.counts.get(asked) ?? 0) + 1);
    const body = await bodyOf(request);
    if (this.latencyMs > 0) await delay(this.latencyMs);
    const [path = ''] = url.split('?');
    const fault = this.fault({
      method,
      key: decodeURIComponent(path.split('/').slice(2).join('/')),
      headers,
    });
    if (fault?.kind === 'reset') request.socket.resetAndDestroy();
    else if (fault?.kind === 'status') refuse(response, fault.status, fault.code);
    else {
      const sent = fault?.kind === 'damage' ? flipped(body) : body;
      await give(response, await this.#forward(request, sent), fault);
    }
  }

  async #forward({ method, rawHeaders, url }: IncomingMessage, body: Buffer): Promise<Answer> {
    const { hostname, port } = this.#target;
    // The host is signed, so it stays as it is.
    const asked = ask({ hostname, port, method, path: url, headers: rawHeaders, agent: this.#agent });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.rawHeaders, body: await bodyOf(answer) };
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function give(response: ServerResponse, answer: Answer, fault: Fault | undefined): Promise<void> {
  const { body, headers, status } = answer;
  if (fault?.kind === 'lost') {
    if (fault.status === undefined) response.socket?.resetAndDestroy();
    else refuse(response, fault.status, 'InternalError');
    return;
  }
  response.writeHead(status, fault?.kind === 'header' ? changed(headers, fault) : headers);
  if (fault?.kind === 'cut' || fault?.kind === 'hang') {
    response.write(body.subarray(0, Math.floor(body.length * fault.share)), () => {
      if (fault.kind === 'cut') response.destroy();
    });
  } else if (fault?.kind === 'slow') await giveSlowly(response, body, fault.pauseMs);
  else response.end(fault?.kind === 'flip' ? flipped(body) : body);
}

async function giveSlowly(response: ServerResponse, body: Buffer, pauseMs: number): Promise<void> {
  const pieceBytes = Math.ceil(body.length / SLOW_PIECES) + 1;
  for (let at = 0; at < body.length && !response.destroyed; at += pieceBytes) {
    response.write(body.subarray(at, at + pieceBytes));
    await delay(pauseMs);
  }
  response.end();
}

function changed(headers: readonly string[], { name, value }: { name: string; value: string }): string[] {
  const others = headers.slice();
  const at = others.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name);
  if (at >= 0) others[at + 1] = value;
  return others;
}

function flipped(body: Buffer): Buffer {
  const other = Buffer.from(body);
  const at = body.length >> 1;
  if (body.length > 0) other[at] = (other[at] as number) ^ 1;
  return other;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/xml');
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}
