/** A read of a store into a slab, where there is no descriptor for a worker to read. */
import { TransferError } from '../../base/errors.ts';
import type { Reader } from '../../storage/byte-source.ts';

export class StoreRead {
  /** Resolves when nobody writes to the slab any more: with what went wrong, or with null when all bytes are there. */
  readonly ended: Promise<TransferError | null>;
  /** Duration in milliseconds, after success. */
  tookMs = 0;
  readonly #controller = new AbortController();

  /** Begins to fill `target` with the bytes of the file from `offset` on. */
  constructor(reader: Reader, target: Uint8Array<SharedArrayBuffer>, offset: number) {
    this.ended = this.#run(reader, target, offset);
  }

  /** Nobody wants the bytes any more. */
  abort(): void {
    this.#controller.abort();
  }

  async #run(
    reader: Reader,
    target: Uint8Array<SharedArrayBuffer>,
    offset: number,
  ): Promise<TransferError | null> {
    const startMs = performance.now();
    try {
      const readBytes = await reader.read(target, offset, this.#controller.signal);
      this.tookMs = performance.now() - startMs;
      return readBytes < target.length ? fileShrank() : null;
    } catch (reason) {
      return TransferError.from(reason);
    }
  }
}

export function fileShrank(): TransferError {
  return new TransferError(
    'FILE_CHANGED',
    'the file shrank during the transfer; start over with its new version',
  );
}
