/**
 * The HTTP/2 stream of a call as the holder of a place, from its headers on:
 * before its message is whole, and for services that are not ours. What it
 * moves is not seen here.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { TransferError } from '../base/errors.ts';
import type { PlaceHolder } from '../base/places.ts';
import { statusOf } from '../wire/status.ts';

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
    else endWithStatus(this.#stream, error);
  }

  cut(): void {
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL);
  }
}

/** The whole answer to a call in one block of headers; what its peer still sends is not waited for. */
export function endWithStatus(stream: ServerHttp2Stream, error: TransferError): void {
  if (stream.destroyed || stream.closed) return;
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
  stream.close(constants.NGHTTP2_NO_ERROR);
}
