import { readSync, readvSync } from 'node:fs';

/** Fills all `chunks`, one behind the other, with the bytes of `fd` from `offset` on; false when the file ends before. */
export function readWhole(fd: number, chunks: readonly Uint8Array[], offset: number): boolean {
  let index = 0;
  let skip = 0;
  let position = offset;
  while (index < chunks.length) {
    const rest =
      skip === 0 && index === 0
        ? chunks
        : [(chunks[index] as Uint8Array).subarray(skip), ...chunks.slice(index + 1)];
    const only = rest.length === 1 ? rest[0] : undefined;
    let read = only ? readSync(fd, only, 0, only.length, position) : readvSync(fd, rest, position);
    if (read === 0) return false;
    position += read;
    // A read may be short (a signal, the 2 GiB limit); go on behind it.
    while (read > 0) {
      const left = (chunks[index] as Uint8Array).length - skip;
      if (read < left) {
        skip += read;
        break;
      }
      read -= left;
      index += 1;
      skip = 0;
    }
  }
  return true;
}
