/**
 * The HTTP/2 stream of a call as the holder of a place, from its headers on:
 * before its message is complete, and for foreign services. Bytes are not counted
 * here.
 */
import type { X509Certificate } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { ErrorCode, TransferError } from '../../base/errors.ts';
import { writePeer } from '../../base/peer-address.ts';
import type { PlaceHolder } from '../../base/places.ts';
import { REQUEST_ID, requestIdOf } from '../../wire/request-id.ts';
import { codeSentIn, statusOf } from '../../wire/status.ts';
import { type LinkSight, lookAtLink } from '../connections/link-probe.ts';

/** For the layers above, which do not import node:http2. */
export type ServerStream = ServerHttp2Stream;

/** The headers of a request, in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>> & {
  readonly ':path'?: string | undefined;
};

/** The socket of a connection, as far as it is looked at. */
export interface PeerSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  once(event: 'close', listener: () => void): unknown;
  /** Of TLS. */
  readonly authorized?: boolean;
  getPeerX509Certificate?(): X509Certificate | undefined;
}

/** Delays the reset after a refusal: in the same read it would hide the status from clients on Node 22 and later. */
const REFUSAL_LINGER_MS = 1000;

/** Of the peers of sessions, read once for each; null: none. */
const CERTIFICATES = new WeakMap<object, X509Certificate | null>();

export class HeldStream implements PlaceHolder {
  readonly movedBytes = 0;
  /** Set when the message is there, and the answer is made. */
  isHeldUp = false;
  readonly requestId: string;
  readonly #stream: ServerHttp2Stream;
  #error: TransferError | null = null;

  /** @param requestId as the client gave it, whatever that is */
  constructor(stream: ServerHttp2Stream, requestId: unknown) {
    this.#stream = stream;
    this.requestId = requestIdOf(requestId);
  }

  /** Of the connection; undefined when it is gone. */
  get socket(): PeerSocket | undefined {
    return this.#stream.session?.socket;
  }

  /** That the peer presented, where it is one of the authorities that the server trusts. */
  get peerCertificate(): X509Certificate | undefined {
    const { session } = this.#stream;
    if (session === undefined) return undefined;
    let certificate = CERTIFICATES.get(session);
    if (certificate === undefined) {
      const { socket } = this;
      certificate = (socket?.authorized === true && socket.getPeerX509Certificate?.()) || null;
      CERTIFICATES.set(session, certificate);
    }
    return certificate ?? undefined;
  }

  /** Address and port, for the log. */
  get peer(): string {
    return writePeer(this.socket ?? {});
  }

  /** The error that ended it here. */
  get error(): TransferError | null {
    return this.#error;
  }

  /** The code of the status that was sent; undefined before, and where the stream ended without one. */
  get sentCode(): ErrorCode | 'OK' | undefined {
    return codeSentIn(this.#stream.sentTrailers ?? this.#stream.sentHeaders ?? {});
  }

  /** The connection below it; undefined when that is gone. */
  link(nowMs: number): LinkSight | undefined {
    return lookAtLink(this.#stream, nowMs);
  }

  /** Calls `listener` once the stream has ended, in whatever way. */
  onClose(listener: () => void): void {
    if (this.#stream.destroyed) queueMicrotask(listener);
    else this.#stream.once('close', listener);
  }

  /** Answers with the error where nothing was answered yet, and reads no more. */
  evict(error: TransferError): void {
    if (this.#stream.headersSent) this.cut();
    else this.end(error);
  }

  /** Answers a call that may be handled already: the stream is closed with it, so that no other answer follows. */
  end(error: TransferError): void {
    if (this.#respond(error)) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  /** Answers a call without a handler; later bytes of the peer are dropped. */
  refuse(error: TransferError): void {
    if (!this.#respond(error)) return;
    this.#stream.resume();
    setTimeout(() => this.#stream.close(constants.NGHTTP2_NO_ERROR), REFUSAL_LINGER_MS).unref();
  }

  cut(): void {
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** The whole answer in one block of headers. */
  #respond(error: TransferError): boolean {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return false;
    this.#error = error;
    const { code, details, metadata } = statusOf(error);
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc+proto',
        'grpc-status': code,
        'grpc-message': encodeURI(details),
        [REQUEST_ID]: this.requestId,
        ...metadata.toHttp2Headers(),
      },
      { endStream: true },
    );
    return true;
  }
}
