import type { Upload } from '../../../../src/storage/upload-store.ts';

/** The end of the written range that `offset` lies in; `offset` itself where nothing is. */
export function writtenEnd(upload: Upload, offset: number): number {
  const [gap] = upload.missing(offset, Number.MAX_SAFE_INTEGER);
  return gap?.start ?? offset;
}
