/**
 * Stands between the HTTP/2 sessions of a server and grpc-js. A stream gets to
 * grpc-js once its headers are those of a gRPC call within bounds and the first
 * bytes of its request are there: whatever ends before costs little. A call in
 * which the server speaks first waits for the rest of its read only.
 *
 *   headers ─▶ within bounds? ─▶ gRPC? ─▶ held ──first bytes──▶ grpc-js
 *                 │ no            │ no      └──reset──▶ wasted
 *                 ▼               ▼
 *             connection closed   405, 415
 *
 * The private seams: the HTTP/2 server of a connection injector is a key of
 * `Server.http2Servers`, whose only listener for streams is grpc-js' own, and a
 * TLS socket knows the socket below it as `_handle._parentWrap`. Where they are
 * missing, `isGuarded` is false and streams go to grpc-js as they come.
 */
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import { type Server, type ServerCredentials, status } from '@grpc/grpc-js';
import { TransferError } from '../../base/errors.ts';
import { REQUEST_MESSAGE_TIMEOUT_MS } from '../../base/limits.ts';
import { CODE_TRAILER } from '../../wire/status.ts';
import { destroyBehindReads, destroyOnceBroken } from './broken-session.ts';
import { FairQueue } from './fair-queue.ts';
import type { HeldStream, RequestHeaders } from './held-stream.ts';
import { LeavingSessions } from './leaving-sessions.ts';
import { dropEndlessTimeout, exceedsBounds, type ForeignAnswer, foreignAnswer } from './request-headers.ts';

const LATE = 'the request did not come whole in time; send it with its headers';

/** What the owner of a connection may do to its session. */
export interface GuardedSession {
  /** Begins no more received streams, and destroys the session as soon as that is safe. */
  end(): void;
  /** Reads nothing more of it before the next turn of the event loop. */
  rest(): void;
}

/** What the owner of a connection is told of it. */
export interface GuardedConnection {
  sessionBegan(session: GuardedSession): void;
  /** The headers of a request are there. */
  streamBegan(): void;
  streamEnded(): void;
  /** The peer wasted a stream. */
  streamWasted(): void;
  /** A stream sent bytes that no client sends: too large, or malformed. */
  streamFaulty(): void;
  /** A stream that is no gRPC call; it is answered. */
  foreign(): void;
  /** The peer does not speak HTTP/2 on `socket`, which is the one that was injected, or TLS above it. */
  unknownProtocol(socket: Socket): void;
  /** There was no place for a call. */
  streamRefused(): void;
  /** The peer exceeds what headers may cost: the connection is to be closed at once. */
  headersExceeded(): void;
  /** The server's side of the connection has ended. */
  ended(): void;
}

export interface StreamGateOptions {
  /** The connection of a socket that was injected. */
  connectionOf(socket: Socket): GuardedConnection | undefined;
  /**
   * Takes the place of a call; where the result has an error, the call was refused with it. A promise while it
   * is found out who makes the call, or its caller is ahead of its rate; it does not reject.
   */
  admit(stream: ServerHttp2Stream, headers: RequestHeaders): HeldStream | Promise<HeldStream>;
  /** Whether a method takes a stream of requests: any other must have sent its request in time. */
  takesStream(path: string): boolean;
  /** Whether a method's server may speak first: its peer need not send anything before. */
  speaksFirst(path: string): boolean;
  /** From the headers to the whole of a single request; default REQUEST_MESSAGE_TIMEOUT_MS. */
  requestTimeoutMs?: number;
}

export interface StreamGate {
  /** False where the private seams are missing. */
  readonly isGuarded: boolean;
  inject(socket: Socket): void;
  /** Sends GOAWAY on every connection; resolves when no new request can come, after `graceMs` at the latest. */
  goAway(graceMs: number): Promise<void>;
}

type StreamListener = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void;

/** Makes the connection injector of `server`, with the gate before it. */
export function gateStreams(
  server: Server,
  credentials: ServerCredentials,
  options: StreamGateOptions,
): StreamGate {
  const injector = server.createConnectionInjector(credentials);
  const http2Server = newestHttp2Server(server);
  const isGuarded = http2Server !== undefined && guard(http2Server, options);
  const sessions = new LeavingSessions();
  http2Server?.on('session', (session) => sessions.add(session));
  return {
    isGuarded,
    inject: (socket) => injector.injectConnection(socket),
    goAway: async (graceMs) => {
      await sessions.goAway(graceMs);
      injector.destroy();
    },
  };
}

function newestHttp2Server(server: Server): Http2Server | undefined {
  const { http2Servers } = server as unknown as { http2Servers?: Map<Http2Server, unknown> };
  return http2Servers instanceof Map ? [...http2Servers.keys()].at(-1) : undefined;
}

function guard(http2Server: Http2Server, options: StreamGateOptions): boolean {
  const [inner, ...others] = http2Server.listeners('stream') as StreamListener[];
  if (inner === undefined || others.length > 0) return false;
  http2Server.removeListener('stream', inner);
  const queue = new FairQueue();
  /** A session begins within the event that brings its socket. */
  let arriving: Socket | undefined;
  const arrives = (socket: Socket) => {
    arriving = socket;
  };
  http2Server.prependListener('connection', arrives);
  http2Server.prependListener('secureConnection', arrives);
  http2Server.prependListener('session', (session) => {
    destroyBehindReads(session);
    const connection = arriving && options.connectionOf(injectedSocketOf(arriving));
    if (arriving === undefined || connection === undefined) {
      session.on('stream', inner);
      return;
    }
    const streams = queue.of(session, arriving);
    destroyOnceBroken(session, arriving);
    connection.sessionBegan({
      end: () => {
        streams.drop();
        session.destroy();
      },
      rest: () => streams.rest(),
    });
    arriving.once('finish', () => connection.ended());
    session.on('stream', ((stream, headers, flags, rawHeaders) => {
      // What a call of grpc-js has a listener for; there may never be one.
      stream.on('error', () => {});
      streams.begin(() => {
        // All streams of one read are made before the first is looked at; some are over by then.
        if (session.destroyed) return;
        if (isOver(stream)) connection.streamWasted();
        else
          admit(connection, session, stream, headers, rawHeaders, options, () =>
            inner(stream, headers, flags, rawHeaders),
          );
      });
    }) satisfies StreamListener);
  });
  // Over TLS, without ALPN: not HTTP/2.
  http2Server.on('unknownProtocol', (socket: Socket) => {
    options.connectionOf(injectedSocketOf(socket))?.unknownProtocol(socket);
  });
  return true;
}

function admit(
  connection: GuardedConnection,
  session: ServerHttp2Session,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: string[],
  options: StreamGateOptions,
  deliver: () => void,
): void {
  if (exceedsBounds(rawHeaders)) {
    connection.headersExceeded();
    return;
  }
  connection.streamBegan();
  let isPaid = false;
  const pay = () => {
    // A session that ends takes its streams with it, which is nobody's waste.
    if (isPaid || session.destroyed) return;
    const waste = wasteOf(stream);
    isPaid = waste !== 'none';
    if (waste === 'faulty') connection.streamFaulty();
    else if (waste === 'wasted') connection.streamWasted();
  };
  stream.once('finish', () => {
    // A stream with bytes that nobody reads does not close; behind the answer nobody reads them.
    stream.resume();
    // The peer decides when the stream closes: a flood would leave it open, and never pay.
    pay();
  });
  stream.once('close', () => {
    connection.streamEnded();
    pay();
  });
  const answer = foreignAnswer(headers);
  if (answer !== undefined) {
    connection.foreign();
    refuse(stream, answer);
    return;
  }
  dropEndlessTimeout(headers);
  const path = headers[':path'] ?? '';
  const requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_MESSAGE_TIMEOUT_MS;
  const untilMs = performance.now() + requestTimeoutMs;
  const hold = (held: HeldStream) => {
    if (held.error !== null) {
      if (held.error.code === 'RESOURCE_EXHAUSTED') connection.streamRefused();
      return;
    }
    if (isOver(stream)) return;
    const late = () => {
      connection.streamWasted();
      // Answered already, with an error: the rest of the request is not waited for.
      if (stream.headersSent) stream.close(constants.NGHTTP2_NO_ERROR);
      else held.end(new TransferError('DEADLINE_EXCEEDED', LATE));
    };
    holdUntilFirstBytes(
      stream,
      options.takesStream(path),
      options.speaksFirst(path) ? 0 : untilMs - performance.now(),
      deliver,
      late,
    );
  };
  const admission = options.admit(stream, headers);
  if (admission instanceof Promise) void admission.then(hold);
  else hold(admission);
}

/** A name or a token that is not allowed may be what a client was given; what grpc-js cannot read no client sends. */
function wasteOf(stream: ServerHttp2Stream): 'none' | 'wasted' | 'faulty' {
  if (isMalformed(stream.rstCode)) return 'faulty';
  if (!stream.headersSent) return 'wasted';
  const answer = stream.sentTrailers ?? stream.sentHeaders;
  const code = Number(answer['grpc-status']);
  if (code === status.UNIMPLEMENTED || code === status.UNAUTHENTICATED) return 'wasted';
  // A code of ours stands beside every error that grpc-js did not make.
  const isOwn = answer[CODE_TRAILER] !== undefined;
  if (code === status.INVALID_ARGUMENT) return isOwn ? 'wasted' : 'faulty';
  return !isOwn && (code === status.RESOURCE_EXHAUSTED || code === status.INTERNAL) ? 'faulty' : 'none';
}

function isMalformed(code: number): boolean {
  return (
    code === constants.NGHTTP2_PROTOCOL_ERROR ||
    code === constants.NGHTTP2_FLOW_CONTROL_ERROR ||
    code === constants.NGHTTP2_STREAM_CLOSED
  );
}

/**
 * Calls `begin` with the first bytes of the request, or its end, unless the stream ends before; a stream of
 * requests also begins without any when `timeoutMs` are over. A single request is `late` when it is not whole then.
 */
function holdUntilFirstBytes(
  stream: ServerHttp2Stream,
  takesStream: boolean,
  timeoutMs: number,
  begin: () => void,
  late: () => void,
): void {
  const beginOnce = () => {
    stream.removeListener('readable', beginOnce);
    if (takesStream) clearTimeout(timer);
    if (!isOver(stream)) begin();
  };
  const timer = setTimeout(takesStream ? beginOnce : late, timeoutMs).unref();
  stream.once('close', () => clearTimeout(timer));
  if (!takesStream) stream.once('end', () => clearTimeout(timer));
  if (stream.endAfterHeaders) beginOnce();
  else stream.on('readable', beginOnce);
}

/** A stream that the peer has reset is closed before it is destroyed; answering it throws. */
function isOver(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

function refuse(stream: ServerHttp2Stream, { status: code, text }: ForeignAnswer): void {
  stream.respond({
    ':status': code,
    'content-type': 'text/plain; charset=utf-8',
    ...(code === constants.HTTP_STATUS_METHOD_NOT_ALLOWED ? { allow: 'POST' } : {}),
  });
  stream.end(`${text}\n`, () => {
    // What is still sent is not read.
    if (!stream.endAfterHeaders) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}

/** The socket that was injected, of a TLS socket above it. */
function injectedSocketOf(socket: Socket): Socket {
  const { _handle } = socket as unknown as { _handle?: { _parentWrap?: Socket } };
  return _handle?._parentWrap ?? socket;
}
