/** The writes of a store out of a slab, where there is no descriptor for a worker to write. */
import { TransferError } from '../../base/errors.ts';
import type { Writer } from '../../storage/byte-source.ts';
import type { WrittenBytes } from '../jobs/job.ts';

export interface StoreWrites {
  /** What is in the file now. */
  readonly written: WrittenBytes[];
  /** Why the rest is not. */
  readonly error: TransferError | null;
}

/** Has `writer` write all of `checked`, which lies in `slab`. Never rejects; resolves when nobody reads the slab any more. */
export async function writeChecked(
  writer: Writer,
  slab: Uint8Array<SharedArrayBuffer>,
  checked: readonly WrittenBytes[],
  signal: AbortSignal,
): Promise<StoreWrites> {
  const written: WrittenBytes[] = [];
  let error: TransferError | null = null;
  const write = async (bytes: WrittenBytes): Promise<void> => {
    const { start, end, at = 0 } = bytes;
    try {
      await writer.write(slab.subarray(at, at + end - start), start, signal);
      written.push(bytes);
    } catch (reason) {
      error ??= TransferError.from(reason);
    }
  };
  await Promise.all(checked.map(write));
  return { written, error };
}
