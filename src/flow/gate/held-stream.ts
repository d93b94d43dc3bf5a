/**
 * The HTTP/2 stream of a call as the holder of a place, from its headers on:
 * before its message is whole, and for services that are not ours. What it
 * moves is not seen here.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { TransferError } from '../../base/errors.ts';
import type { PlaceHolder } from '../../base/places.ts';
import { statusOf } from '../../wire/status.ts';

export class HeldStream implements PlaceHolder {
  readonly movedBytes = 0;
  /** Set when the message is there, and the answer is made. */
  isHeldUp = false;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  /** Of the connection; undefined when it is gone. */
  get socket(): { readonly remoteAddress?: string | undefined } | undefined {
    return this.#stream.session?.socket;
  }

  /** Calls `listener` once the stream has ended, in whatever way. */
  onClose(listener: () => void): void {
    if (this.#stream.destroyed) queueMicrotask(listener);
    else this.#stream.once('close', listener);
  }

  /** Answers with the error where nothing was answered yet, and reads no more. */
  evict(error: TransferError): void {
    if (this.#stream.headersSent) this.cut();
    else endCall(this.#stream, error);
  }

  cut(): void {
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }
}

/** How long a refused peer may go on with its request: a reset in the same read as the status would hide the status from clients on Node 22 and later. */
const REFUSAL_LINGER_MS = 1000;

/** The answer to a call that nobody has begun to handle; what its peer still sends is dropped, and not waited for. */
export function refuseCall(stream: ServerHttp2Stream, error: TransferError): void {
  if (!respondWith(stream, error)) return;
  stream.resume();
  setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), REFUSAL_LINGER_MS).unref();
}

/** The answer to a call that may be handled already: the stream is closed with it, so that no other answer follows. */
export function endCall(stream: ServerHttp2Stream, error: TransferError): void {
  if (respondWith(stream, error)) stream.close(constants.NGHTTP2_NO_ERROR);
}

/** The whole answer in one block of headers. */
function respondWith(stream: ServerHttp2Stream, error: TransferError): boolean {
  if (stream.destroyed || stream.closed) return false;
  const { code, details, metadata } = statusOf(error);
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-status': code,
      'grpc-message': encodeURI(details),
      ...metadata.toHttp2Headers(),
    },
    { endStream: true },
  );
  return true;
}
