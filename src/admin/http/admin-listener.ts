/**
 * The HTTP listener for operators and their tools: metrics, probes, and what the
 * page needs. It has a port of its own, so that it can stay on the loopback
 * interface while the server does not.
 */
import type { IncomingMessage } from 'node:http';
import type { SecureContextOptions, Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { errnoOf, TransferError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import {
  isLoopback,
  type ListenAddress,
  parseListenAddress,
  writeListenAddress,
} from '../../config/listen-address.ts';
import type { Admin, Caller } from '../admin.ts';
import { ANSWER_HEADERS, requireLocalHost, requireOwnHeader } from './guards.ts';
import { Metrics } from './metrics.ts';
import { addPage } from './page-files.ts';
import { addRoutes } from './routes.ts';

/** A request says what it wants in its first line. */
const MAX_BODY_BYTES = 4 * KIB;
const MAX_HEADER_BYTES = 16 * KIB;

/** From accept to the whole of the headers, and of the request. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Of Node's server, where Fastify has no name for them. */
const LIMITS = {
  headersTimeout: REQUEST_TIMEOUT_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 10,
};

const KEEP_ALIVE_MS = 5_000;

/** Watchers of the page included. */
const MAX_CONNECTIONS = 64;

/** What TLS is made of, and who renews it. */
export interface ListenerTls {
  readonly context: SecureContextOptions;
  /** Calls `listener` with each later context. */
  onRenewed(listener: (context: SecureContextOptions) => void): void;
}

export interface AdminListenerOptions {
  readonly admin: Admin;
  /** null: without TLS. Not used on the loopback interface, where nobody is on the way. */
  readonly tls: ListenerTls | null;
  /** Who makes a request. Throws UNAUTHENTICATED. */
  callerOf(request: IncomingMessage): Caller | Promise<Caller>;
  /** Why the server cannot serve now; null: it can. */
  whyNotReady(): Promise<string | null>;
}

/** A token says as well who it is, and a probe need not say it. */
const ASK_FOR_CERTIFICATE = { requestCert: true, rejectUnauthorized: false };

export class AdminListener {
  /** As a client writes it. */
  readonly address: string;
  readonly #app: FastifyInstance;

  private constructor(app: FastifyInstance, address: string) {
    this.#app = app;
    this.address = address;
  }

  /** Listens on `listen`. Throws INVALID_CONFIG where that cannot be had. */
  static async open(listen: string, options: AdminListenerOptions): Promise<AdminListener> {
    const address = parseListenAddress(listen);
    // Loaded late: a server starts without it.
    const { fastify } = await import('fastify');
    const isLocal = isLoopback(address);
    const tls = isLocal ? null : options.tls;
    const app = fastify({
      ...(tls === null ? { http: LIMITS } : { https: { ...LIMITS, ...tls.context, ...ASK_FOR_CERTIFICATE } }),
      logger: false,
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      forceCloseConnections: true,
      exposeHeadRoutes: false,
      return503OnClosing: false,
    });
    app.server.maxConnections = MAX_CONNECTIONS;
    tls?.onRenewed((context) => (app.server as unknown as TlsServer).setSecureContext(context));
    // A POST has no body; what one sends is neither read nor parsed.
    app.removeAllContentTypeParsers();
    app.addHook('onRequest', async (request, reply) => {
      reply.headers(ANSWER_HEADERS);
      if (address.kind === 'tcp' && isLocal) requireLocalHost(request.headers);
      if (request.method !== 'GET') requireOwnHeader(request.headers);
    });
    addPage(app);
    addRoutes(app, { ...options, metrics: new Metrics(() => options.admin.metrics()) });
    try {
      await app.listen(placeOf(address));
    } catch (reason) {
      await app.close();
      throw refusal(listen, reason);
    }
    return new AdminListener(app, boundAddress(app, address));
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#app.close();
  }
}

function placeOf(address: ListenAddress): { path: string } | { host: string; port: number } {
  return address.kind === 'unix'
    ? { path: address.path }
    : { host: address.host === '' ? '::' : address.host, port: address.port };
}

function boundAddress(app: FastifyInstance, address: ListenAddress): string {
  const bound = app.server.address();
  if (address.kind === 'unix' || bound === null || typeof bound === 'string')
    return writeListenAddress(address);
  return writeListenAddress({ kind: 'tcp', host: address.host || bound.address, port: bound.port });
}

function refusal(listen: string, reason: unknown): TransferError {
  const errno = errnoOf(reason) ?? String(reason);
  const why = errno === 'EADDRINUSE' ? 'another process listens there' : `cannot listen there (${errno})`;
  const remedy = 'choose another address, or off';
  return new TransferError('INVALID_CONFIG', `admin.listen ${listen}: ${why}; ${remedy}`, { cause: reason });
}
