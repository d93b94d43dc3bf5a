/** The body of a response into memory that the caller has. */
import type { Readable } from 'node:stream';
import { copyBytes } from '../../../base/copy-bytes.ts';

/**
 * Fills all of `target` with `body`, which it destroys where that fails.
 *
 * Settles once nothing more is written to `target`. When `signal` aborts, nothing is written from that moment on.
 *
 * @param onBytes told of bytes that have come, just before they are written
 * @throws Error when the body is cut, or is not as long as `target`
 */
export function fillFrom(
  body: Readable,
  target: Uint8Array<SharedArrayBuffer>,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let at = 0;
    let isSettled = false;
    const take = (piece: Buffer): void => {
      if (piece.length > target.length - at) {
        end(new Error('the response is longer than what was asked for'));
        return;
      }
      onBytes(piece.length);
      copyBytes(piece, target, at);
      at += piece.length;
    };
    const abort = (): void => end(signal.reason as Error);
    const end = (error?: Error): void => {
      if (isSettled) return;
      isSettled = true;
      body.off('data', take);
      signal.removeEventListener('abort', abort);
      if (error === undefined) {
        resolve();
        return;
      }
      body.destroy();
      reject(error);
    };
    // Stays: a body that is destroyed may still have an error.
    body.on('error', end);
    body.once('close', () => end(new Error('the response was cut')));
    body.once('end', () => end(at === target.length ? undefined : new Error('the response was cut')));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    else body.on('data', take);
  });
}
