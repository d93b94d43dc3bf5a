/**
 * One interface to streams of every kind: the next piece, and a way to end the
 * stream at once, even during a wait for a piece.
 */
import type { Readable } from 'node:stream';

export interface SourcePieces {
  /** One caller at a time. Rejects with what the stream failed with. */
  next(): Promise<IteratorResult<unknown, unknown>>;
  /** Ends the stream; its owner sees `error`, if there is one. Never throws. */
  cancel(error: Error | undefined): void;
}

export function piecesOf(
  stream: Readable | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
): SourcePieces {
  if ('getReader' in stream) return piecesOfWebStream(stream);
  const iterator = stream[Symbol.asyncIterator]();
  return {
    next: async () => await iterator.next(),
    cancel: (error) => {
      // Destroying with an error emits it, and the owner may have no listener.
      if ('destroy' in stream) stream.on('error', () => {}).destroy(error);
      // Not awaited: a generator that waits for its next value ends only after that.
      else void iterator.return?.().then(undefined, () => {});
    },
  };
}

function piecesOfWebStream(stream: ReadableStream<Uint8Array>): SourcePieces {
  const reader = stream.getReader();
  return {
    next: async () => await reader.read(),
    cancel: (error) => void reader.cancel(error).catch(() => {}),
  };
}
